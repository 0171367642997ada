import Geometry
import Testing
import Wire

func geometry(_ json: String) throws -> Geometry {
    try Geometry(parsing: try JSONValue(parsing: json))
}

func box(_ west: Double, _ south: Double, _ east: Double, _ north: Double) throws -> BoundingBox {
    try BoundingBox(west: west, south: south, east: east, north: north)
}

/// A square ring from the lower left corner.
func square(_ x: Double, _ y: Double, _ size: Double) -> [Position] {
    [Position(x, y), Position(x + size, y), Position(x + size, y + size), Position(x, y + size), Position(x, y)]
}
