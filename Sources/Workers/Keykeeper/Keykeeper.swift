import Journal
import Logging
package import Objects

/// Rewraps what rotations of keys have left under old generations, and removes these when nothing is left.
///
/// Every node takes over what others have changed of the root key; the rewrapping is one node's duty at a time. It is
/// done in small transactions that know where they were, so it may be ended at any moment.
package struct Keykeeper: Worker {
    package let name = "keykeeper"
    private let objects: Objects
    private let roots: RootKeys
    private let journal: Journal
    /// Between two looks at what there is to do; shorter than `Objects.keySettleSeconds`.
    private static let pause = Duration.seconds(1)

    package init(objects: Objects, roots: RootKeys) {
        self.objects = objects
        self.roots = roots
        journal = objects.journal
    }

    package func run() async throws {
        do {
            while true {
                try Task.checkCancellation()
                try await roots.refresh()
                var hasMore = false
                if try await journal.lease(name) != nil {
                    hasMore = try await roots.rewrapStep()
                    if try await objects.rewrapStep() { hasMore = true }
                }
                if !hasMore { try await Task.sleep(for: Self.pause) }
            }
        } catch {
            try? await journal.release(name)
            throw error
        }
    }
}
