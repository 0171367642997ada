import Ciphers
import Database
import Journal
import Notifications
import TestSupport
import Testing
import Vault
import Wire

@Suite struct DeliveryTests {
    private func withNotifications(
        _ engine: TestEngine, _ body: (Notifications, Journal) async throws -> Void
    ) async throws {
        try await engine.withDatabase(Journal.migrations + Notifications.migrations) { database in
            let journal = Journal(database: database, node: "test")
            try await body(Notifications(journal: journal, master: MasterKey(direct: .random())), journal)
        }
    }

    private func delivery(_ number: Int64, to destination: String = "hook") -> Delivery {
        Delivery(
            tid: number, sequence: 0, configuration: "c", destination: destination, created: .now,
            message: Array("\(number)".utf8))
    }

    @Test("what waits comes in the order in which it happened, once", arguments: TestEngine.allCases)
    func order(engine: TestEngine) async throws {
        try await withNotifications(engine) { notifications, _ in
            try await notifications.enqueue([delivery(3), delivery(1), delivery(1, to: "other")])
            try await notifications.enqueue([delivery(2), delivery(1)])
            #expect(try await notifications.waiting(for: "hook", limit: 10).map(\.tid) == [1, 2, 3])
            #expect(try await Set(notifications.dueDestinations(now: .now, limit: 10)) == ["hook", "other"])
            let first = try await notifications.waiting(for: "hook", limit: 2)
            try await notifications.remove(first, for: "hook")
            try await notifications.remove(first, for: "hook")
            #expect(try await notifications.waiting(for: "hook", limit: 10).map(\.tid) == [3])
            try await notifications.remove([delivery(3)], for: "hook")
            #expect(try await notifications.dueDestinations(now: .now, limit: 10) == ["other"])
        }
    }

    @Test("a destination that fails is left alone for longer and longer", arguments: TestEngine.allCases)
    func backoff(engine: TestEngine) async throws {
        try await withNotifications(engine) { notifications, _ in
            try await notifications.putWebhook("hook", url: "http://a/", secret: nil, by: "ada")
            try await notifications.enqueue([delivery(1)])
            let now = Timestamp.now
            func isDue(_ seconds: Int64) async throws -> Bool {
                try await !notifications.dueDestinations(now: now.adding(seconds: seconds), limit: 1).isEmpty
            }
            #expect(try await notifications.failed("hook", "no", now: now) == 1)
            #expect(try await !isDue(0))
            #expect(try await isDue(1))
            for _ in 0..<20 { try await notifications.failed("hook", "no", now: now) }
            #expect(try await !isDue(299))
            #expect(try await isDue(300))
            #expect(try await notifications.webhook("hook").state.error == "no")
            try await notifications.putWebhook("hook", url: "http://b/", secret: nil, by: "ada")
            #expect(try await isDue(0))
            let state = try await notifications.webhook("hook").state
            #expect(state.waiting == 1 && state.failures == 0 && state.error == nil)
        }
    }

    @Test("only so much waits; what is given up is counted and in the journal", arguments: TestEngine.allCases)
    func bound(engine: TestEngine) async throws {
        try await withNotifications(engine) { notifications, journal in
            try await notifications.putWebhook("hook", url: "http://a/", secret: nil, by: "ada")
            try await notifications.enqueue((1...5).map { delivery($0) }, waitingMax: 3)
            try await notifications.enqueue([delivery(6)], waitingMax: 3)
            #expect(try await notifications.waiting(for: "hook", limit: 10).map(\.tid) == [1, 2, 3])
            try await notifications.remove([delivery(1)], for: "hook", dropped: (1, "refused"))
            let state = try await notifications.webhook("hook").state
            #expect(state.waiting == 2 && state.dropped == 4 && state.failures == 0)
            let events = try await journal.events(of: "hook", limit: 10).filter { $0.kind == .notificationsDropped }
            #expect(events.map(\.detail).first == #"{"count":1,"reason":"refused"}"#)
            #expect(events.count == 3)
        }
    }

    @Test("dead letters are kept, but not too many, and not for ever", arguments: TestEngine.allCases)
    func deadLetters(engine: TestEngine) async throws {
        try await withNotifications(engine) { notifications, journal in
            try await notifications.putWebhook("hook", url: "http://a/", secret: nil, by: "ada")
            try await notifications.enqueue((1...5).map { delivery($0) })
            let old = Timestamp.now.adding(seconds: -Notifications.deadSecondsMax - 60)
            try await notifications.bury([delivery(1), delivery(2)], for: "hook", "refused", now: old, deadMax: 3)
            // What is not there any more is not buried.
            try await notifications.bury([delivery(2)], for: "hook", "refused")
            try await notifications.bury((3...4).map { delivery($0) }, for: "hook", "late", deadMax: 3)
            func dead(after: DeliveryID? = nil) async throws -> [Int64] {
                try await notifications.deadLetters(of: "hook", after: after, limit: 9).map(\.delivery.tid)
            }
            #expect(try await dead() == [2, 3, 4])
            #expect(try await dead(after: DeliveryID("3-0-c")) == [4])
            var state = try await notifications.webhook("hook").state
            #expect(state.waiting == 1 && state.dead == 3 && state.dropped == 1)
            #expect(try await notifications.expireDead() == 1)
            #expect(try await notifications.revive(nil, of: "hook", by: "ada") == 2)
            #expect(try await notifications.revive(nil, of: "hook", by: "ada") == 0)
            state = try await notifications.webhook("hook").state
            #expect(state.waiting == 3 && state.dead == 0)
            let waiting = try await notifications.waiting(for: "hook", limit: 9)
            #expect(waiting.map(\.tid) == [3, 4, 5])
            #expect(waiting.allSatisfy { $0.created.adding(seconds: 7200) > .now })
            let kinds = try await journal.events(of: "hook", limit: 20).map(\.kind)
            #expect(kinds.filter { $0 == .notificationsBuried }.count == 2)
            #expect(kinds.filter { $0 == .notificationsRevived }.count == 2)
        }
    }

    @Test("a webhook's secret is sealed, and opens for who delivers", arguments: TestEngine.allCases)
    func webhooks(engine: TestEngine) async throws {
        try await withNotifications(engine) { notifications, journal in
            try await notifications.putWebhook("hook", url: "http://10.0.0.1/x", secret: "s3cret", by: "ada")
            #expect(
                try await notifications.address(of: "hook")
                    == DeliveryAddress(url: "http://10.0.0.1/x", secret: "s3cret", isTrusted: true))
            #expect(
                try await notifications.address(of: "https://example.org/")
                    == DeliveryAddress(url: "https://example.org/", isTrusted: false))
            #expect(try await notifications.address(of: "absent") == nil)
            #expect(try await notifications.webhooks().map(\.hasSecret) == [true])
            let stored = try await journal.read {
                try $0.first("SELECT sealed_secret FROM webhooks") { String(decoding: $0.blob(0), as: UTF8.self) }
            }
            #expect(stored?.contains("s3cret") == false)
            #expect(try await !journal.events(of: "hook", limit: 10).contains { $0.detail.contains("s3cret") })
            try await notifications.enqueue([delivery(1)])
            try await notifications.deleteWebhook("hook", by: "ada")
            #expect(try await notifications.waiting(for: "hook", limit: 1).isEmpty)
            await #expect(throws: NotificationsError.self) { try await notifications.deleteWebhook("hook", by: "ada") }
        }
    }

    @Test(
        "what is no webhook is refused",
        arguments: [
            ("", "http://a/", "s"), ("a b", "http://a/", "s"), ("a/b", "http://a/", "s"), ("a", "ftp://a/", "s"),
            ("a", "http://", "s"), ("a", "http://a/ b", "s"), ("a", "http://a/", ""), ("a", "http://a/", "a\nb"),
            (String(repeating: "a", count: 65), "http://a/", "s"),
        ])
    func refusals(name: String, url: String, secret: String) async throws {
        try await withNotifications(.sqlite) { notifications, _ in
            await #expect(throws: NotificationsError.self) {
                try await notifications.putWebhook(name, url: url, secret: secret, by: "ada")
            }
        }
    }
}
