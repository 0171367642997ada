import Ciphers
package import Identity
package import Journal
import Synchronization
import Wire

/// The OpenID provider: which applications there are, what people let them do, and the tokens that come of it.
///
/// Access tokens are stored nowhere, refresh tokens as hashes. What a token may do is in its own scopes.
package final class OpenIDProvider: Sendable {
    package let identity: Identity
    package let tokens: TokenAuthority
    let journal: Journal
    let clients = RecentReads<Client>()
    let proofs = RecentNames()
    let polls = RecentNames()
    let wrongCodes = WrongCodes()
    let registrations = Registrations()
    let refreshKey = Mutex<[UInt8]?>(nil)
    let subjectKey = Mutex<[UInt8]?>(nil)
    let sources: ClientSources?
    /// Keys that clients publish: at addresses that an administrator has named, and that clients themselves have.
    let keySets: RemoteKeys?
    let publicKeySets: RemoteKeys?

    /// - Parameter sources: nil where nobody is asked about clients.
    package init(identity: Identity, tokens: TokenAuthority, journal: Journal, sources: ClientSources? = nil) {
        self.identity = identity
        self.tokens = tokens
        self.journal = journal
        self.sources = sources
        keySets = (sources?.fetch).map(RemoteKeys.ofSets)
        publicKeySets = (sources?.fetchPublic).map(RemoteKeys.ofSets)
    }

    /// A random text of 256 bits.
    static func randomText() -> String { Base64.encodeURL(randomBytes(32)) }

    /// What is kept of a random text.
    static func hash(_ text: String) -> [UInt8] { DigestAlgorithm.sha256.hash(Array(text.utf8)) }
}

/// Registrations from each address within an hour; the node keeps them in memory.
final class Registrations: Sendable {
    private static let perHour = 100
    private static let countMax = 10_000
    private let counts = Mutex<[String: (count: Int, since: Int64)]>([:])

    /// - Returns: false where there were too many.
    func note(_ address: String) -> Bool {
        let now = Timestamp.now.seconds
        return counts.withLock { counts in
            if counts.count >= Self.countMax { counts = [:] }
            var entry = counts[address] ?? (0, now)
            if now - entry.since >= 3600 { entry = (0, now) }
            entry.count += 1
            counts[address] = entry
            return entry.count <= Self.perHour
        }
    }
}
