/// A cell of a grid that divides the globe, by the text that maps and search engines know it by.
package struct GridCell: Sendable, Hashable {
    package enum Grid: Sendable, Hashable, CaseIterable {
        /// Geohash: each letter of base 32 divides a cell into 32. Precisions are 1 to 12 letters.
        case geohash
        /// Tiles of web maps, `zoom/x/y` in Web Mercator. Precisions are the zooms 0 to 29.
        case geotile

        package var precisions: ClosedRange<Int> {
            switch self {
            case .geohash: 1...12
            case .geotile: 0...29
            }
        }
    }

    package let grid: Grid
    package let precision: Int
    /// Columns go eastwards; rows northwards for geohash, southwards for tiles.
    package let column: Int
    package let row: Int

    private static let letters = Array("0123456789bcdefghjkmnpqrstuvwxyz".utf8)
    /// Where Web Mercator ends.
    private static let mercatorMax = 85.05112877980659

    private static func size(_ grid: Grid, _ precision: Int) -> (columns: Int, rows: Int) {
        switch grid {
        case .geohash: (1 << ((5 * precision + 1) / 2), 1 << (5 * precision / 2))
        case .geotile: (1 << precision, 1 << precision)
        }
    }

    /// The cell that a position lies in; on a border the eastern and the northern, or for tiles the southern one.
    ///
    /// - Parameter precision: one of ``Grid/precisions``.
    package init(_ grid: Grid, precision: Int, at position: Position) {
        let precision = min(max(precision, grid.precisions.lowerBound), grid.precisions.upperBound)
        let (columns, rows) = Self.size(grid, precision)
        let across = (position.longitude + 180) / 360
        let along: Double
        switch grid {
        case .geohash: along = (position.latitude + 90) / 180
        case .geotile: along = Mercator.y(min(max(position.latitude, -Self.mercatorMax), Self.mercatorMax))
        }
        self.init(
            grid, precision, Self.index(across, columns), Self.index(along, rows))
    }

    private init(_ grid: Grid, _ precision: Int, _ column: Int, _ row: Int) {
        (self.grid, self.precision, self.column, self.row) = (grid, precision, column, row)
    }

    private static func index(_ share: Double, _ count: Int) -> Int {
        min(max(Int(share * Double(count)), 0), count - 1)
    }

    /// The cells that a box touches, which does not cross the antimeridian; nil for more than `most`.
    package static func covering(_ box: BoundingBox, _ grid: Grid, precision: Int, most: Int) -> [GridCell]? {
        let a = GridCell(grid, precision: precision, at: Position(box.west, box.south))
        let b = GridCell(grid, precision: precision, at: Position(box.east, box.north))
        let columns = min(a.column, b.column)...max(a.column, b.column)
        let rows = min(a.row, b.row)...max(a.row, b.row)
        let (count, isTooMany) = columns.count.multipliedReportingOverflow(by: rows.count)
        guard !isTooMany, count <= most else { return nil }
        return rows.flatMap { row in columns.map { GridCell(grid, a.precision, $0, row) } }
    }

    /// What the cell covers.
    package var box: BoundingBox? {
        let (columns, rows) = Self.size(grid, precision)
        let west = Double(column) / Double(columns) * 360 - 180
        let east = Double(column + 1) / Double(columns) * 360 - 180
        let ends: (Double, Double)
        switch grid {
        case .geohash:
            ends = (Double(row) / Double(rows) * 180 - 90, Double(row + 1) / Double(rows) * 180 - 90)
        case .geotile:
            ends = (
                Mercator.latitude(Double(row + 1) / Double(rows)), Mercator.latitude(Double(row) / Double(rows))
            )
        }
        return try? BoundingBox(west: west, south: ends.0, east: east, north: ends.1)
    }

    /// `u0yj` or `5/17/11`.
    package var text: String {
        switch grid {
        case .geotile: return "\(precision)/\(column)/\(row)"
        case .geohash:
            // Bits of longitude and latitude take turns, longitude first.
            let count = 5 * precision
            var (east, north) = ((count + 1) / 2, count / 2)
            var letters: [UInt8] = []
            var value = 0
            for bit in 0..<count {
                if bit % 2 == 0 {
                    east -= 1
                    value = value << 1 | column >> east & 1
                } else {
                    north -= 1
                    value = value << 1 | row >> north & 1
                }
                if bit % 5 == 4 {
                    letters.append(Self.letters[value])
                    value = 0
                }
            }
            return String(decoding: letters, as: UTF8.self)
        }
    }
}
