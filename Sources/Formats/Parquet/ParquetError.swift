/// Why a Parquet file is not read or written: what is wrong, in which column, on which of its pages.
package struct ParquetError: Error, CustomStringConvertible, Sendable, Hashable {
    package var message: String
    /// The column's path, like `assets.B04.href`.
    package var column: String?
    /// Counted from 1 in each row group.
    package var page: Int?

    package init(_ message: String, column: String? = nil, page: Int? = nil) {
        self.message = message
        self.column = column
        self.page = page
    }

    package var description: String {
        var place = ""
        if let column { place += "column \(column.prefix(200)): " }
        if let page { place += "page \(page): " }
        return "Parquet: \(place)\(message)"
    }
}
