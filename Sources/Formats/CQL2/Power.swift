import Glibc

extension CQL2.Operator {
    /// In a file of its own: Glibc's names of functions are those of operators.
    static func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }
}
