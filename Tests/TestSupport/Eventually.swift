/// Waits until something holds, looking every few milliseconds.
///
/// - Returns: false where it has not come to hold within two minutes, which is long even for a machine that is busy
///   with all other tests.
package func eventually(
    isolation: isolated (any Actor)? = #isolation, _ holds: () async throws -> Bool
) async throws -> Bool {
    let end = ContinuousClock.now + .seconds(120)
    while ContinuousClock.now < end {
        if try await holds() { return true }
        try await Task.sleep(for: .milliseconds(10))
    }
    return false
}
