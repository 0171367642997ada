import Journal
import Wire

/// How people get accounts.
package enum RegistrationMode: String, Sendable, CaseIterable {
    /// Administrators make them, or invite people.
    case off
    /// Anybody may ask for one; somebody has to approve.
    case approval
    /// Anybody who has an e-mail address gets one.
    case open
}

/// What people do about their accounts by themselves, with letters that lead them back here.
package struct People: Sendable {
    let identity: Identity
    /// The address under which people reach the node.
    let address: String
    package let registration: RegistrationMode
    /// Whether letters are sent.
    package let sendsMail: Bool

    var journal: Journal { identity.journal }

    package init(identity: Identity, address: String, registration: RegistrationMode, sendsMail: Bool) {
        self.identity = identity
        self.address = address
        self.registration = registration
        self.sendsMail = sendsMail
    }

    /// Where providers send people back to who have logged in there.
    package var callback: String { address + "/login/callback" }

    static let noMail = IdentityError(
        .conflict, "this node sends no letters: an administrator has to set --smtp, or to do this for you")

    /// `node.example.org`, for people to know whose letter it is.
    var nodeName: String {
        String(address.split(separator: "/").dropFirst().first?.prefix { $0 != ":" } ?? "Martlet")
    }
}
