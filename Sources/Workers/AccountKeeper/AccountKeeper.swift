package import Identity
package import Journal
package import Policy
import Wire

/// Suspends accounts that have ended, and removes them after a while. That they open nothing from the moment on which
/// they end does not wait for it.
package struct AccountKeeper: Worker {
    package let name = "account-keeper"
    private let identity: Identity
    private let policies: Policies
    private let journal: Journal
    private let removeSeconds: Int64?
    private static let actor = "system:account-keeper"
    private static let pause = Duration.seconds(5)

    /// - Parameter removeSeconds: how long after its end an account is removed; nil for never.
    package init(identity: Identity, policies: Policies, journal: Journal, removeSeconds: Int64?) {
        self.identity = identity
        self.policies = policies
        self.journal = journal
        self.removeSeconds = removeSeconds
    }

    package func run() async throws {
        do {
            while true {
                try Task.checkCancellation()
                if try await journal.lease(name) != nil {
                    if try await identity.suspendEnded(by: Self.actor) { continue }
                    if let removeSeconds {
                        let names = try await identity.accountsToRemove(
                            endedBefore: Timestamp.now.adding(seconds: -removeSeconds))
                        for account in names {
                            try await policies.forget(.account(account), by: Self.actor)
                            try await identity.deleteAccount(account, by: Self.actor)
                        }
                    }
                }
                try await Task.sleep(for: Self.pause)
            }
        } catch {
            try? await journal.release(name)
            throw error
        }
    }
}
