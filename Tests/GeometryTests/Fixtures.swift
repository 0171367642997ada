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

/// A generator that gives the same numbers in every run.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
