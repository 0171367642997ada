package import Identity
package import Journal
import Logging

/// Hands a letter to a mail server. Throws where that does not take it.
package typealias MailSend = @Sendable (OutgoingMail) async throws -> Void

/// A letter that will never be taken.
package struct MailRefused: Error, CustomStringConvertible {
    package var description: String

    package init(_ description: String) { self.description = description }
}

/// Sends the letters in the outbox.
package struct Postman: Worker {
    package let name = "postman"
    private let identity: Identity
    private let journal: Journal
    private let send: MailSend
    private let logger = Logger(label: "martlet.postman")

    private static let actor = "system:postman"
    private static let batch = 20

    package init(identity: Identity, journal: Journal, send: @escaping MailSend) {
        self.identity = identity
        self.journal = journal
        self.send = send
    }

    package func run() async throws {
        do {
            while true {
                try Task.checkCancellation()
                let generation = journal.generation
                if try await journal.lease(name, seconds: 120) != nil, try await deliver() { continue }
                try await journal.waitForCommit(after: generation, secondsMax: 5)
                try await Task.sleep(for: .milliseconds(200))
            }
        } catch {
            try? await journal.release(name)
            throw error
        }
    }

    /// - Returns: whether more may be due.
    private func deliver() async throws -> Bool {
        let due = try await identity.dueMail(limit: Self.batch)
        for mail in due {
            try Task.checkCancellation()
            do {
                try await send(mail)
            } catch let error as MailRefused {
                logger.warning("a letter is given up: \(error)")
                try await identity.mailFailed(mail, error.description, isFinal: true, by: Self.actor)
                continue
            } catch {
                logger.warning("a letter has to wait: \(error)")
                try await identity.mailFailed(mail, "\(error)", isFinal: false, by: Self.actor)
                // The next one would hardly be taken either.
                return false
            }
            try await identity.mailWasSent(mail, by: Self.actor)
        }
        return due.count == Self.batch
    }
}
