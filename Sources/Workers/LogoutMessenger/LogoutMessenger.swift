import Identity
package import Journal
import Logging
package import OpenID
import Wire

/// Tells applications that somebody's browser session has ended (OpenID Connect Back-Channel Logout 1.0).
///
/// It follows the journal, whoever has ended the session. An application that does not answer is asked three times and
/// then left alone: its own sessions end by themselves.
package struct LogoutMessenger: Worker {
    /// Delivers a logout token and gives the status of the answer; throws where none came.
    package typealias Post = @Sendable (_ notice: LogoutNotice) async throws -> Int

    package let name = "logout-messenger"
    private static let attemptsMax = 3
    private let provider: OpenIDProvider
    private let follower: Follower
    private let post: Post
    private let logger = Logger(label: "martlet.logout")

    package init(provider: OpenIDProvider, journal: Journal, post: @escaping Post) {
        self.provider = provider
        self.post = post
        follower = Follower(name: name, journal: journal)
    }

    package func run() async throws {
        try await follower.run(handle: { events in
            for event in events where event.kind == .sessionEnded {
                let detail = try? JSONValue(parsing: event.detail)
                guard let session = detail?["session"]?.string else { continue }
                try await tell(ofSession: session)
            }
        })
    }

    private func tell(ofSession session: String) async throws {
        let notices = try await provider.notices(ofSession: session)
        guard !notices.isEmpty else { return }
        var delivered: [String] = []
        var failed: [(client: String, reason: String)] = []
        for notice in notices {
            if let reason = await deliver(notice) {
                logger.warning("\(notice.client) was not told of a logout: \(reason)")
                failed.append((notice.client, reason))
            } else {
                delivered.append(notice.client)
            }
        }
        try await provider.noteLogout(ofSession: session, delivered: delivered, failed: failed)
    }

    /// - Returns: why it was not delivered; nil where it was.
    private func deliver(_ notice: LogoutNotice) async -> String? {
        var reason = ""
        for attempt in 1...Self.attemptsMax {
            do {
                let status = try await post(notice)
                if (200..<300).contains(status) { return nil }
                reason = "it answers with status \(status)"
                // It has understood and refuses: asking again gives the same.
                if status == 400 { return reason }
            } catch {
                reason = String("\(error)".prefix(200))
            }
            if attempt < Self.attemptsMax { try? await Task.sleep(for: .seconds(attempt)) }
        }
        return reason
    }
}
