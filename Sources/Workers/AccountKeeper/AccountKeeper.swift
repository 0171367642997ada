package import Authority
package import Identity
package import Journal
package import Policy
import Wire

/// Suspends accounts that have ended, removes them after a while, and reminds people of what is coming. That accounts
/// open nothing from the moment on which they end does not wait for it.
package struct AccountKeeper: Worker {
    package let name = "account-keeper"
    private let identity: Identity
    private let policies: Policies
    private let journal: Journal
    private let people: People
    private let authority: Authority
    private let removeSeconds: Int64?
    private let remindSeconds: Int64?
    private static let actor = "system:account-keeper"
    private static let pause = Duration.seconds(5)

    /// - Parameters:
    ///   - removeSeconds: how long after its end an account is removed; nil for never.
    ///   - remindSeconds: how long before something ends people get a letter; nil for no letters.
    package init(
        identity: Identity, policies: Policies, journal: Journal, people: People, authority: Authority,
        removeSeconds: Int64?, remindSeconds: Int64?
    ) {
        self.identity = identity
        self.policies = policies
        self.journal = journal
        self.people = people
        self.authority = authority
        self.removeSeconds = removeSeconds
        self.remindSeconds = remindSeconds
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
                    if let remindSeconds {
                        let isMore = try await people.remind(lead: remindSeconds, by: Self.actor)
                        if try await authority.remind(lead: remindSeconds, by: people, as: Self.actor) || isMore {
                            continue
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
