import Ciphers
import Database
package import Journal
import Synchronization
package import Vault
import Wire

/// Who there is, and how they prove it.
package final class Identity: Sendable {
    package let journal: Journal
    let master: MasterKey
    let throttle = LoginThrottle()
    let hasher: PasswordHasher
    let principals = RecentReads<KnownPrincipal>()
    let basicLogins = BasicLogins()
    let revocations = RecentReads<Bool>()
    /// Seals session tokens; read or made when the first is needed.
    let sessionKey = Mutex<AEADKey?>(nil)

    package init(journal: Journal, master: MasterKey, passwordCost: Int64 = PasswordHasher.defaultCost) {
        self.journal = journal
        self.master = master
        hasher = PasswordHasher(cost: passwordCost)
    }

    /// Forgets who was let in lately: what they may, or by what, has changed.
    func forgetLogins() {
        principals.clear()
        basicLogins.clear()
    }

    /// Makes the administrator's account if there is none.
    ///
    /// - Parameter password: what the operator chose; nil lets one be generated.
    /// - Returns: the generated password, to be shown once; nil where nothing was generated.
    package func bootstrap(name: String = "admin", password: String?) async throws -> String? {
        let exists = try await journal.read { try $0.scalar("SELECT 1 FROM accounts LIMIT 1") != nil }
        guard !exists else { return nil }
        let generated = password == nil ? Self.readablePassword() : nil
        let actor = Principal.system("bootstrap")
        do {
            try await createAccount(
                name: name, kind: .person, displayName: "Administrator", password: password ?? generated, by: actor)
            try await createGroup(name: administrators, by: actor)
            try await addMember(account: name, to: administrators, by: actor)
        } catch let error as IdentityError where error.code == .exists {
            // Two nodes on one database started at once: the other one made it, and showed its password.
            return nil
        }
        return generated
    }

    /// 20 letters and digits in groups of five, without those that are easily confused: 98 bits.
    package static func readablePassword() -> String {
        let alphabet = Array("abcdefghijkmnpqrstuvwxyz23456789")
        let letters = randomBytes(20).map { alphabet[Int($0 & 31)] }
        return stride(from: 0, to: 20, by: 5).map { String(letters[$0..<($0 + 5)]) }.joined(separator: "-")
    }
}
