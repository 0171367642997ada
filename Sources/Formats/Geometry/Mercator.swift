import Glibc

/// Web Mercator (EPSG:3857) as a square of side 1, whose rows go southwards.
enum Mercator {
    static func y(_ latitude: Double) -> Double {
        let phi = latitude * .pi / 180
        return (1 - asinh(tan(phi)) / .pi) / 2
    }

    static func latitude(_ y: Double) -> Double { atan(sinh(.pi * (1 - 2 * y))) * 180 / .pi }
}
