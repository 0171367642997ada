/// Writes a Parquet file: rows are put in, bytes are taken out now and then, so that a file of any length takes the
/// memory of one row group.
///
/// All columns may have missing values. Each row group has one page (of version 1) a column, and before it a dictionary
/// where texts repeat; pages are compressed with zstd, which pyarrow, DuckDB, GDAL and Spark read.
package struct ParquetWriter {
    /// Bytes of values after which a row group is written.
    package static let groupBytes = 8 << 20
    private static let magic = Array("PAR1".utf8)

    private let nodes: [SchemaNode]
    private let schema: [[UInt8]]
    private var columns: [ColumnBuffer]
    private var groups: [[UInt8]] = []
    private var rows = 0
    private var allRows: Int64 = 0
    private var output = Self.magic
    /// Where in the file `output` begins.
    private var start: Int64 = 0

    /// - Throws: `ParquetError` where a type cannot be written: a group without fields, `.date` and `.map`, or what is
    ///   nested more than 250 levels deep.
    package init(_ fields: [ParquetField]) throws {
        var tree = SchemaWriter()
        try tree.root(fields)
        (nodes, schema, columns) = (tree.nodes, tree.elements, tree.columns)
    }

    /// Puts in a row, which has a value for each field.
    ///
    /// - Throws: `ParquetError` where a value is not of its field's type; the file is of no use then.
    package mutating func append(_ row: [ParquetValue]) throws {
        guard row.count == nodes.count else { throw ParquetError("a row has a value for each field") }
        for (value, node) in zip(row, nodes) { try put(value, node, repetition: 0) }
        rows += 1
        if columns.reduce(0, { $0 + $1.bytes }) >= Self.groupBytes { try flush() }
    }

    /// What is to be written to the file next.
    package mutating func take() -> [UInt8] {
        defer {
            start += Int64(output.count)
            output = []
        }
        return output
    }

    /// The end of the file, with what `take()` has not given yet.
    ///
    /// - Parameter metadata: pairs of a key and a value, for the whole file.
    package mutating func finish(metadata: [(key: String, value: String)]) throws -> [UInt8] {
        try flush()
        var footer = ThriftWriter()
        footer.structure { [schema, groups, allRows] footer in
            footer.int32(1, 2)
            footer.list(2, of: .structure, count: schema.count)
            for element in schema { footer.raw(element) }
            footer.int64(3, allRows)
            footer.list(4, of: .structure, count: groups.count)
            for group in groups { footer.raw(group) }
            footer.list(5, of: .structure, count: metadata.count)
            for pair in metadata {
                footer.structure {
                    $0.binary(1, pair.key.utf8)
                    $0.binary(2, pair.value.utf8)
                }
            }
            footer.binary(6, "Martlet".utf8)
            // Least and greatest values are in the order of their types.
            footer.list(7, of: .structure, count: columns.count)
            for _ in columns { footer.structure { $0.structure(1) { _ in } } }
        }
        output.append(contentsOf: footer.bytes)
        output.append(fixed: UInt32(truncatingIfNeeded: footer.bytes.count))
        output.append(contentsOf: Self.magic)
        return take()
    }

    private mutating func put(_ value: ParquetValue, _ node: SchemaNode, repetition: Int) throws {
        let presence = node.presence ?? 0
        switch (value, node.shape) {
        case (.null, _): missing(node, repetition, presence - 1)
        case (_, .leaf):
            try columns[node.leaves.lowerBound].append(value, repetition: repetition, definition: presence)
        case (.group(let values), .group(let nodes)) where values.count == nodes.count:
            for (value, node) in zip(values, nodes) { try put(value, node, repetition: repetition) }
        case (.list(let values), .list(let element, let deeper, _)):
            if values.isEmpty { missing(node, repetition, presence) }
            for (index, value) in values.enumerated() {
                try put(value, element, repetition: index == 0 ? repetition : deeper)
            }
        default: throw ParquetError("a value is not of its type", column: node.name)
        }
    }

    private mutating func missing(_ node: SchemaNode, _ repetition: Int, _ definition: Int) {
        for leaf in node.leaves { columns[leaf].append(repetition: repetition, definition: definition) }
    }

    /// Writes what is there as a row group.
    private mutating func flush() throws {
        guard rows > 0 else { return }
        var chunks: [[UInt8]] = []
        var (plain, compressed): (Int64, Int64) = (0, 0)
        let groupStart = start + Int64(output.count)
        for index in columns.indices {
            let chunk = try columns[index].chunk(at: start + Int64(output.count))
            output.append(contentsOf: chunk.pages)
            chunks.append(chunk.metadata)
            plain += chunk.plainBytes
            compressed += Int64(chunk.pages.count)
        }
        var group = ThriftWriter()
        group.structure { [rows] group in
            group.list(1, of: .structure, count: chunks.count)
            for chunk in chunks { group.raw(chunk) }
            group.int64(2, plain)
            group.int64(3, Int64(rows))
            group.int64(5, groupStart)
            group.int64(6, compressed)
        }
        groups.append(group.bytes)
        allRows += Int64(rows)
        rows = 0
    }
}

/// Makes the schema's elements, and for each leaf its column.
private struct SchemaWriter {
    private(set) var nodes: [SchemaNode] = []
    private(set) var elements: [[UInt8]] = []
    private(set) var columns: [ColumnBuffer] = []
    private var path: [String] = []

    private static let levelMax = 250

    mutating func root(_ fields: [ParquetField]) throws {
        element("schema", isRoot: true, children: fields.count)
        nodes = try group(fields, definition: 0, repetition: 0)
    }

    private mutating func group(_ fields: [ParquetField], definition: Int, repetition: Int) throws -> [SchemaNode] {
        guard !fields.isEmpty else { throw ParquetError("a group has no fields", column: path.joined(separator: ".")) }
        var out: [SchemaNode] = []
        for field in fields { out.append(try node(field, definition: definition, repetition: repetition)) }
        return out
    }

    private mutating func node(_ field: ParquetField, definition: Int, repetition: Int) throws -> SchemaNode {
        path.append(field.name)
        defer { path.removeLast() }
        let presence = definition + 1
        guard presence < Self.levelMax else { throw ParquetError("it is nested too deep", column: path.first) }
        let first = columns.count
        let shape: SchemaNode.Shape
        switch field.type {
        case .group(let fields):
            element(field.name, children: fields.count)
            shape = .group(try group(fields, definition: presence, repetition: repetition))
        case .list(let type):
            element(field.name, children: 1, converted: 3, logical: 3)
            element("list", isRepeated: true, children: 1)
            path.append("list")
            defer { path.removeLast() }
            let node = try node(
                ParquetField("element", type), definition: presence + 1, repetition: repetition + 1)
            shape = .list(node, repetition: repetition + 1, definition: presence + 1)
        case .date, .map: throw ParquetError("dates and maps are not written", column: field.name)
        case let leaf:
            let physical: PhysicalType
            switch leaf {
            case .boolean: physical = .boolean
            case .integer, .timestamp: physical = .int64
            case .double: physical = .double
            default: physical = .byteArray
            }
            element(field.name, leaf, physical)
            columns.append(
                ColumnBuffer(path: path, physical: physical, definition: presence, repetition: repetition))
            shape = .leaf
        }
        return SchemaNode(name: field.name, presence: presence, shape: shape, leaves: first..<columns.count)
    }

    private mutating func element(
        _ name: String, isRoot: Bool = false, isRepeated: Bool = false, children: Int, converted: Int32? = nil,
        logical: Int16? = nil
    ) {
        var writer = ThriftWriter()
        writer.structure { writer in
            if !isRoot { writer.int32(3, isRepeated ? 2 : 1) }
            writer.binary(4, name.utf8)
            writer.int32(5, Int32(truncatingIfNeeded: children))
            if let converted { writer.int32(6, converted) }
            if let logical { writer.structure(10) { $0.structure(logical) { _ in } } }
        }
        elements.append(writer.bytes)
    }

    private mutating func element(_ name: String, _ type: ParquetType, _ physical: PhysicalType) {
        var writer = ThriftWriter()
        writer.structure { writer in
            writer.int32(1, physical.rawValue)
            writer.int32(3, 1)
            writer.binary(4, name.utf8)
            switch type {
            case .text:
                writer.int32(6, 0)
                writer.structure(10) { $0.structure(1) { _ in } }
            case .json:
                writer.int32(6, 19)
                writer.structure(10) { $0.structure(12) { _ in } }
            case .timestamp:
                writer.int32(6, 10)
                writer.structure(10) { logical in
                    logical.structure(8) { time in
                        time.bool(1, true)
                        time.structure(2) { $0.structure(2) { _ in } }
                    }
                }
            default: break
            }
        }
        elements.append(writer.bytes)
    }
}
