/// On which side of the line from `a` to `b` the position `c` lies: 1 left, -1 right, 0 on it.
///
/// The sign is exact. The determinant is computed in floating point first; where its rounding error could hide the
/// sign (Shewchuk's bound for the planar case), the six products of its expansion are added up without error. Only
/// where products underflow, for coordinates within 1e-140 degrees of zero, may the sign be lost.
func orientation(_ a: Position, _ b: Position, _ c: Position) -> Int {
    let (ax, ay) = (a.longitude - c.longitude, a.latitude - c.latitude)
    let (bx, by) = (b.longitude - c.longitude, b.latitude - c.latitude)
    // A difference is zero only where the two are the same: boxes and points, which are common, need nothing exact.
    if ax == 0 || by == 0, ay == 0 || bx == 0 { return 0 }
    let left = ax * by
    let right = ay * bx
    let determinant = left - right
    if abs(determinant) > 4 * Double.ulpOfOne * (abs(left) + abs(right)) { return determinant > 0 ? 1 : -1 }
    return exactOrientation(a, b, c)
}

private func exactOrientation(_ a: Position, _ b: Position, _ c: Position) -> Int {
    // Components that do not overlap, from the least to the greatest, so the last one that is not zero has the sign.
    var expansion: [Double] = []
    expansion.reserveCapacity(12)
    func add(_ x: Double, _ y: Double) {
        let product = x * y
        for term in [(-product).addingProduct(x, y), product] {
            var carry = term
            for index in expansion.indices {
                let sum = carry + expansion[index]
                let virtual = sum - carry
                expansion[index] = (carry - (sum - virtual)) + (expansion[index] - virtual)
                carry = sum
            }
            expansion.append(carry)
        }
    }
    add(a.longitude, b.latitude)
    add(-a.latitude, b.longitude)
    add(b.longitude, c.latitude)
    add(-b.latitude, c.longitude)
    add(c.longitude, a.latitude)
    add(-c.latitude, a.longitude)
    guard let sign = expansion.last(where: { $0 != 0 }) else { return 0 }
    return sign > 0 ? 1 : -1
}
