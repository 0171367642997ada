/// Reads the rows of a Parquet file, with one page of each column in memory.
///
/// Read are pages of both versions with all encodings of Encodings.md for these types but BIT_PACKED; uncompressed,
/// snappy, gzip and zstd; nested columns. Not read are decimals, times of 96 bits, other compressions and encryption.
/// Nothing that a file says of itself is believed before its bytes are there.
package struct ParquetReader {
    private static let magic = Array("PAR1".utf8)
    private static let footerBytesMax: Int64 = 64 << 20

    package let fields: [ParquetField]
    /// The file's own metadata, such as `geo`.
    package let metadata: [String: String]
    /// How many rows there are, as the file says.
    package let rowCount: Int64

    private let nodes: [SchemaNode]
    private let leaves: [Leaf]
    private let groups: [FileMetadata.Group]
    private let size: Int64
    private let read: (_ offset: Int64, _ count: Int) throws -> [UInt8]
    private let budget = ParquetBudget()

    private var group = 0
    private var rowsLeft: Int64 = 0
    private var cursors: [ColumnCursor] = []

    /// - Parameters:
    ///   - size: bytes of the file.
    ///   - read: gives exactly so many bytes from there; what it throws is thrown on.
    /// - Throws: `ParquetError`.
    package init(size: Int64, read: @escaping (_ offset: Int64, _ count: Int) throws -> [UInt8]) throws {
        guard size >= 12 else { throw ParquetError("it is no Parquet file") }
        let tail = try read(size - 8, 8)
        guard try read(0, 4) == Self.magic, Array(tail.suffix(4)) == Self.magic else {
            throw ParquetError(
                Array(tail.suffix(4)) == Array("PARE".utf8) ? "it is encrypted" : "it is no Parquet file")
        }
        let footerBytes = Int64(tail.fixed(0, UInt32.self))
        guard footerBytes <= min(size - 12, Self.footerBytesMax) else { throw ParquetError("its footer is too long") }
        let footer = try FileMetadata(try read(size - 8 - footerBytes, Int(footerBytes)))
        let schema = try SchemaReader(footer.elements)
        (nodes, leaves, fields) = (schema.nodes, schema.leaves, schema.fields)
        (metadata, rowCount, groups) = (footer.pairs, footer.rows, footer.groups)
        (self.size, self.read) = (size, read)
    }

    /// The next row, with a value for each field; nil at the end.
    ///
    /// - Throws: `ParquetError` with the column and the page.
    package mutating func next() throws -> [ParquetValue]? {
        while rowsLeft == 0 {
            cursors = []
            guard group < groups.count else { return nil }
            let next = groups[group]
            group += 1
            guard next.chunks.count == leaves.count, next.rows >= 0 else {
                throw ParquetError("row group \(group) does not have the columns of the schema")
            }
            rowsLeft = next.rows
            if rowsLeft == 0 { continue }
            cursors = try zip(leaves, next.chunks).map {
                try ColumnCursor($0, $1, fileBytes: size, budget: budget, read: read)
            }
        }
        rowsLeft -= 1
        budget.beginRow()
        let row = try nodes.map { try value($0) }
        for cursor in cursors where cursor.repetition != 0 {
            throw ParquetError("its levels do not fit those of other columns", column: cursor.leaf.path)
        }
        return row
    }

    private func value(_ node: SchemaNode) throws -> ParquetValue {
        let first = cursors[node.leaves.lowerBound]
        if let presence = node.presence, first.definition < presence {
            try skip(node)
            return .null
        }
        switch node.shape {
        case .leaf: return try first.take()
        case .group(let nodes): return .group(try nodes.map { try value($0) })
        case .list(let element, let repetition, let definition):
            if first.definition < definition {
                try skip(node)
                return .list([])
            }
            var out: [ParquetValue] = []
            repeat { out.append(try value(element)) } while !first.isAtEnd && first.repetition == repetition
            return .list(out)
        }
    }

    private func skip(_ node: SchemaNode) throws {
        for leaf in node.leaves { try cursors[leaf].skip() }
    }
}
