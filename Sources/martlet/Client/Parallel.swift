import Glibc

/// Work on many things at once.
enum Parallel {
    /// As many as there are processors, and two at least: one computes while the other waits for the disk.
    static let width = max(2, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))

    /// Does something for each, a few at a time; the first error ends all.
    ///
    /// - Returns: what came of them, in their order.
    static func map<T: Sendable, R: Sendable>(
        _ items: [T], atOnce: Int = width, _ body: @escaping @Sendable (T) async throws -> R
    ) async throws -> [R] {
        try await withThrowingTaskGroup(of: (Int, R).self) { group in
            var rest = Array(items.enumerated())[...]
            func begin() {
                guard let (index, item) = rest.popFirst() else { return }
                group.addTask { (index, try await body(item)) }
            }
            for _ in 0..<max(1, atOnce) { begin() }
            var results = [R?](repeating: nil, count: items.count)
            while let (index, result) = try await group.next() {
                results[index] = result
                begin()
            }
            return results.compactMap { $0 }
        }
    }
}
