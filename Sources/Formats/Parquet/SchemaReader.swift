/// What a leaf's values mean, beyond their bytes.
enum Meaning: Sendable {
    case plain
    /// An unsigned integer.
    case unsigned
    /// Microseconds are what one of the column's is, times this and divided by that.
    case time(multiplier: Int64, divisor: Int64)
}

/// A leaf of a schema that was read.
struct Leaf: Sendable {
    var path: String
    var physical: PhysicalType
    /// Bytes of a value with a fixed length.
    var length: Int
    var meaning: Meaning
    var definition: Int
    var repetition: Int
}

/// Makes a tree of a footer's list of schema elements.
struct SchemaReader {
    private(set) var nodes: [SchemaNode] = []
    private(set) var fields: [ParquetField] = []
    private(set) var leaves: [Leaf] = []

    private static let depthMax = 64
    private static let leavesMax = 20_000
    /// Each column keeps the names of all groups above.
    private static let pathBytesMax = 20_000

    private let elements: [FileMetadata.Element]
    private var at = 1

    init(_ elements: [FileMetadata.Element]) throws {
        self.elements = elements
        guard let root = elements.first, root.children > 0 else { throw ParquetError("its schema has no columns") }
        for _ in 0..<root.children {
            let (node, type) = try next(path: [], definition: 0, repetition: 0)
            nodes.append(node)
            fields.append(ParquetField(node.name, type))
        }
        guard at == elements.count else { throw ParquetError("its schema is not the tree that it says") }
    }

    private mutating func next(
        path above: [String], definition: Int, repetition: Int
    ) throws -> (SchemaNode, ParquetType) {
        guard at < elements.count, above.count < Self.depthMax else {
            throw ParquetError("its schema is not a tree, or one that is too deep")
        }
        let element = elements[at]
        let path = above + [element.name]
        switch element.repetition {
        case 0: return try content(element, path, presence: nil, definition: definition, repetition: repetition)
        case 1:
            return try content(
                element, path, presence: definition + 1, definition: definition + 1, repetition: repetition)
        case 2:
            // A list that is not called one.
            let first = leaves.count
            let (node, type) = try content(
                element, path, presence: nil, definition: definition + 1, repetition: repetition + 1)
            let shape = SchemaNode.Shape.list(node, repetition: repetition + 1, definition: definition + 1)
            return (
                SchemaNode(name: element.name, presence: nil, shape: shape, leaves: first..<leaves.count), .list(type)
            )
        default: throw ParquetError("its repetition is unknown", column: path.joined(separator: "."))
        }
    }

    /// The element itself, whatever its own repetition is.
    private mutating func content(
        _ element: FileMetadata.Element, _ path: [String], presence: Int?, definition: Int, repetition: Int
    ) throws -> (SchemaNode, ParquetType) {
        at += 1
        let first = leaves.count
        let shape: SchemaNode.Shape
        let type: ParquetType
        if element.children == 0 {
            guard leaves.count < Self.leavesMax else {
                throw ParquetError("it has more than \(Self.leavesMax) columns")
            }
            guard path.reduce(0, { $0 + $1.utf8.count + 1 }) <= Self.pathBytesMax else {
                throw ParquetError("its columns have names that are too long")
            }
            var leaf: Leaf
            (leaf, type) = try Self.leaf(element, path.joined(separator: "."))
            (leaf.definition, leaf.repetition) = (definition, repetition)
            leaves.append(leaf)
            shape = .leaf
        } else if Self.isList(element), element.children == 1, at < elements.count, elements[at].repetition == 2 {
            let inner = elements[at]
            let (deeper, present) = (repetition + 1, definition + 1)
            let node: SchemaNode
            let elementType: ParquetType
            if !Self.isMap(element), inner.children == 1, inner.name != "array",
                inner.name != path.last.map({ $0 + "_tuple" })
            {
                // The usual three levels: the repeated group holds nothing but the element.
                at += 1
                (node, elementType) = try next(path: path + [inner.name], definition: present, repetition: deeper)
            } else {
                (node, elementType) = try content(
                    inner, path + [inner.name], presence: nil, definition: present, repetition: deeper)
            }
            shape = .list(node, repetition: deeper, definition: present)
            if Self.isMap(element), case .group(let pair) = elementType, pair.count == 2 {
                type = .map(pair[0].type, pair[1].type)
            } else {
                type = .list(elementType)
            }
        } else {
            guard element.children > 0 else { throw ParquetError("its schema is not the tree that it says") }
            var (nodes, fields): ([SchemaNode], [ParquetField]) = ([], [])
            for _ in 0..<element.children {
                let (node, type) = try next(path: path, definition: definition, repetition: repetition)
                nodes.append(node)
                fields.append(ParquetField(node.name, type))
            }
            shape = .group(nodes)
            type = .group(fields)
        }
        return (SchemaNode(name: element.name, presence: presence, shape: shape, leaves: first..<leaves.count), type)
    }

    private static func isMap(_ element: FileMetadata.Element) -> Bool {
        element.logical == 2 || element.converted == 1 || element.converted == 2
    }

    private static func isList(_ element: FileMetadata.Element) -> Bool {
        element.logical == 3 || element.converted == 3 || isMap(element)
    }

    private static func leaf(_ element: FileMetadata.Element, _ path: String) throws -> (Leaf, ParquetType) {
        guard let physical = element.physical.flatMap({ PhysicalType(rawValue: $0) }) else {
            throw ParquetError("its type is unknown", column: path)
        }
        var meaning = Meaning.plain
        let type: ParquetType
        guard element.logical != 5, element.logical != nil || element.converted != 5 else {
            throw ParquetError("decimal numbers are not read", column: path)
        }
        switch physical {
        case .boolean: type = .boolean
        case .int32, .int64:
            if element.logical == 8 || element.converted == 9 || element.converted == 10 {
                switch element.unit ?? (element.converted == 9 ? 1 : 2) {
                case 1: meaning = .time(multiplier: 1000, divisor: 1)
                case 2: meaning = .time(multiplier: 1, divisor: 1)
                default: meaning = .time(multiplier: 1, divisor: 1000)
                }
                type = .timestamp
            } else if element.logical == 6 || element.converted == 6 {
                type = .date
            } else {
                if let converted = element.converted, (11...14).contains(converted) { meaning = .unsigned }
                type = .integer
            }
        case .float, .double: type = .double
        case .byteArray:
            switch (element.logical, element.converted) {
            case (1, _), (4, _), (nil, 0), (nil, 4): type = .text
            case (12, _), (nil, 19): type = .json
            default: type = .binary
            }
        case .fixedByteArray: type = .binary
        case .int96: throw ParquetError("times of 96 bits are not read", column: path)
        }
        guard physical != .fixedByteArray || element.length > 0 else {
            throw ParquetError("its values have no length", column: path)
        }
        let leaf = Leaf(
            path: path, physical: physical, length: Int(element.length), meaning: meaning, definition: 0, repetition: 0)
        return (leaf, type)
    }
}
