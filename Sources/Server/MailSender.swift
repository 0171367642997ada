import Identity
import NIOPosix
import SMTP
import Workers

/// Hands letters to the mail server of the settings.
struct MailSender: Sendable {
    private let client: SMTPClient
    private let from: String

    /// - Parameter from: nil for an address at the node's own name.
    init(_ server: SMTPServer, from: String?, webURL: String, authority: String?) {
        client = SMTPClient(server, group: MultiThreadedEventLoopGroup.singleton, authority: authority)
        let host = webURL.split(separator: "/").dropFirst().first?.prefix { $0 != ":" } ?? "localhost"
        self.from = from ?? "martlet@\(host)"
    }

    /// - Throws: ``MailRefused`` where the server will never take it; ``SMTPError``.
    @Sendable func send(_ mail: OutgoingMail) async throws {
        let message = MailMessage(
            from: from, to: mail.to, subject: mail.subject, text: mail.text, unsubscribe: mail.unsubscribe,
            date: mail.created, id: mail.id)
        do {
            try await client.send(message)
        } catch let error as SMTPError where error.code == .refused {
            throw MailRefused(error.description)
        }
    }
}
