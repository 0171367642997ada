import Ciphers
import Database
import Journal
import Notifications
import TestSupport
import Testing
import Vault
import Wire

@Suite struct SubscriptionTests {
    private func withNotifications(
        _ engine: TestEngine, _ body: (Notifications, Journal) async throws -> Void
    ) async throws {
        try await engine.withDatabase(Journal.migrations + Notifications.migrations) { database in
            let journal = Journal(database: database, node: "test")
            try await body(Notifications(journal: journal, master: MasterKey(direct: .random())), journal)
        }
    }

    private func terms(_ push: String? = nil) -> SubscriptionTerms {
        SubscriptionTerms(
            topic: SubscriptionTerms.products, filter: "Name eq 'a'", events: [.created, .deleted],
            push: push.map { .init(url: $0, username: "ada") })
    }

    private func deliveries(
        _ numbers: ClosedRange<Int64>, to subscription: Subscription, age: Int64 = 0
    ) -> [Delivery] {
        numbers.map { number in
            let event = Event(
                tid: number, sequence: 1, time: .now.adding(seconds: -age), kind: EventKind("item.put"), actor: "ada",
                subject: "eo/a", collection: 1, detail: "{}")
            let content = SubscriptionNotice(event: .created, number: number * 10).content
            return Notice(event: event, content: content).delivery(to: subscription.destination)
        }
    }

    @Test("what waits is read in order, by its owner, until it is acknowledged", arguments: TestEngine.allCases)
    func reading(engine: TestEngine) async throws {
        try await withNotifications(engine) { notifications, _ in
            let (one, key) = try await notifications.subscribe(terms(), password: nil, account: 7, by: "ada")
            #expect(key == nil && one.status == .running && one.terms == terms())
            try await notifications.enqueue(deliveries(1...5, to: one))
            // The courier has nothing to do with it.
            let due = try await notifications.dueDestinations(now: .now.adding(seconds: 1 << 30), limit: 10)
            #expect(due.isEmpty)
            let first = try await notifications.waiting(for: one.destination, limit: 2)
            #expect(first.compactMap { SubscriptionNotice($0)?.number } == [10, 20])
            #expect(first.compactMap { SubscriptionNotice($0)?.event } == [.created, .created])
            let place = JournalPosition(tid: 2, sequence: 1)
            let taken = try await notifications.acknowledge(one, upTo: place)
            #expect(taken.count == 2 && taken.waiting == 3)
            let again = try await notifications.acknowledge(one, upTo: place)
            #expect(again.count == 0 && again.waiting == 3)
            try await notifications.discard(deliveries(4...4, to: one), of: one)
            let left = try await notifications.waiting(for: one.destination, limit: 9).map(\.tid)
            #expect(left == [3, 5])
            let state = try await notifications.subscription(one.id, of: 7).state
            #expect(state.waiting == 2 && state.dropped == 0)
            await #expect(throws: NotificationsError.self) { try await notifications.subscription(one.id, of: 8) }
        }
    }

    @Test("of too much that waits to be read the oldest goes first", arguments: TestEngine.allCases)
    func overflow(engine: TestEngine) async throws {
        try await withNotifications(engine) { notifications, journal in
            // What happened has smaller numbers than what is done now.
            for _ in 0..<10 { _ = try await journal.write { transaction, _ in try transaction.tid } }
            let (one, _) = try await notifications.subscribe(terms(), password: nil, account: 7, by: "ada")
            try await notifications.enqueue(deliveries(1...5, to: one), waitingMax: 3)
            try await notifications.enqueue(deliveries(6...6, to: one), waitingMax: 3)
            let left = try await notifications.waiting(for: one.destination, limit: 9).map(\.tid)
            #expect(left == [4, 5, 6])
            let after = try await notifications.waiting(
                for: one.destination, after: JournalPosition(tid: 4, sequence: 1), limit: 9)
            #expect(after.map(\.tid) == [5, 6])
            let state = try await notifications.subscription(one.id, of: 7).state
            #expect(state.waiting == 3 && state.dropped == 3 && state.newest != nil)
            // What its reader turned down comes again behind what was read meanwhile.
            try await notifications.bury(deliveries(4...4, to: one), for: one.destination, "no")
            _ = try await notifications.revive(nil, of: one.destination, by: "ada")
            let again = try await notifications.waiting(for: one.destination, limit: 9)
            #expect(again.map(\.message) == (deliveries(5...6, to: one) + deliveries(4...4, to: one)).map(\.message))
        }
    }

    @Test("a link in a letter ends its subscription, and no other", arguments: TestEngine.allCases)
    func letters(engine: TestEngine) async throws {
        try await withNotifications(engine) { notifications, _ in
            var terms = terms()
            terms.mailSeconds = 60
            let (one, _) = try await notifications.subscribe(terms, password: nil, account: 7, by: "ada")
            let (two, _) = try await notifications.subscribe(terms, password: nil, account: 7, by: "ada")
            let token = try #require(try await notifications.stopToken(of: one))
            for (id, token) in [(two.id, token), (one.id, ""), (one.id, "00"), ("none", token)] {
                await #expect(throws: NotificationsError.self) { try await notifications.stop(id, token: token) }
            }
            try await notifications.stop(one.id, token: token)
            let status = try await notifications.subscriptions(of: 7).map(\.status)
            #expect(status == [.cancelled, .running] || status == [.running, .cancelled])
        }
    }

    @Test("what nobody reads for three days is forgotten", arguments: TestEngine.allCases)
    func expiry(engine: TestEngine) async throws {
        try await withNotifications(engine) { notifications, _ in
            let (one, _) = try await notifications.subscribe(terms(), password: nil, account: 7, by: "ada")
            let old = Notifications.unreadSecondsMax + 60
            try await notifications.enqueue(
                deliveries(1...3, to: one, age: old) + deliveries(4...5, to: one, age: old - 120))
            let (pushed, _) = try await notifications.subscribe(
                terms("https://a.example/"), password: nil, account: 7, by: "ada")
            try await notifications.enqueue(deliveries(1...3, to: pushed, age: old))
            let count = try await notifications.expireUnread()
            #expect(count == 3)
            let left = try await notifications.waiting(for: one.destination, limit: 9).map(\.tid)
            #expect(left == [4, 5])
            let state = try await notifications.subscription(one.id, of: 7).state
            #expect(state.waiting == 2)
            let waiting = try await notifications.waiting(for: pushed.destination, limit: 9).count
            #expect(waiting == 3)
        }
    }

    @Test("one that is paused is told of nothing, one that is cancelled never again", arguments: TestEngine.allCases)
    func status(engine: TestEngine) async throws {
        try await withNotifications(engine) { notifications, journal in
            let (one, _) = try await notifications.subscribe(
                terms("https://a.example/"), password: "x", account: 7, by: "ada")
            func running() async throws -> [Int64] {
                try await notifications.running(SubscriptionTerms.products, after: "", limit: 9).map(\.since)
            }
            func isDue() async throws -> Bool {
                try await !notifications.dueDestinations(now: .now, limit: 9).isEmpty
            }
            try await notifications.enqueue(deliveries(1...2, to: one))
            var (now, due) = (try await running(), try await isDue())
            #expect(now == [one.since] && due)
            let paused = try await notifications.change(one.id, of: 7, password: nil, by: "ada") { $0.status = .paused }
            #expect(paused.status == .paused && paused.state.waiting == 2)
            // A delivery that was under way does not start it again.
            try await notifications.failed(one.destination, "no", now: .now.adding(seconds: -600))
            try await notifications.remove(deliveries(1...1, to: one), for: one.destination)
            (now, due) = (try await running(), try await isDue())
            #expect(now.isEmpty && !due)
            let resumed = try await notifications.change(one.id, of: 7, password: nil, by: "ada") {
                $0.status = .running
                $0.terms.filter = "Name eq 'b'"
            }
            #expect(resumed.since > one.since && resumed.terms.filter == "Name eq 'b'" && resumed.state.waiting == 1)
            due = try await isDue()
            #expect(due)
            _ = try await notifications.change(one.id, of: 7, password: nil, by: "ada") { $0.status = .cancelled }
            let left = try await notifications.waiting(for: one.destination, limit: 9)
            #expect(left.isEmpty)
            await #expect(throws: NotificationsError.self) {
                try await notifications.change(one.id, of: 7, password: nil, by: "ada") { $0.status = .running }
            }
            await #expect(throws: NotificationsError.self) {
                try await notifications.unsubscribe(one.id, of: 8, by: "eve")
            }
            try await notifications.unsubscribe(one.id, of: 7, by: "ada")
            let all = try await notifications.subscriptions(of: 7)
            #expect(all.isEmpty)
            let events = try await journal.events(of: one.destination, limit: 10).map(\.kind)
            #expect(events.first == .subscriptionDeleted && events.count == 5)
        }
    }

    @Test("an account has a few, and what cannot be posted to is refused", arguments: TestEngine.allCases)
    func limits(engine: TestEngine) async throws {
        try await withNotifications(engine) { notifications, _ in
            for url in ["", "ftp://a/", "https://", "https://a b/"] {
                await #expect(throws: NotificationsError.self) {
                    try await notifications.subscribe(terms(url), password: nil, account: 7, by: "ada")
                }
            }
            await #expect(throws: NotificationsError.self) {
                try await notifications.subscribe(terms("https://a/"), password: "a\nb", account: 7, by: "ada")
            }
            for _ in 0..<Notifications.subscriptionsMax {
                _ = try await notifications.subscribe(terms(), password: nil, account: 7, by: "ada")
            }
            await #expect(throws: NotificationsError.self) {
                try await notifications.subscribe(terms(), password: nil, account: 7, by: "ada")
            }
            _ = try await notifications.subscribe(terms(), password: nil, account: 8, by: "eve")
            let count = try await notifications.subscriptions(of: 7).count
            #expect(count == Int(Notifications.subscriptionsMax))
        }
    }

    @Test("the address of one that is posted has its owner's name and a key", arguments: TestEngine.allCases)
    func address(engine: TestEngine) async throws {
        try await withNotifications(engine) { notifications, _ in
            let (one, key) = try await notifications.subscribe(
                terms("https://a.example/x"), password: "open sesame", account: 7, by: "ada")
            let address = try #require(try await notifications.address(of: one.destination))
            #expect(address.url == "https://a.example/x" && !address.isTrusted && address.secret == nil)
            #expect(address.headers == ["Authorization": "Basic YWRhOm9wZW4gc2VzYW1l"])
            #expect(key?.count == 32 && address.key == key)
            let pulled = try await notifications.subscribe(terms(), password: nil, account: 7, by: "ada").subscription
            let none = try await notifications.address(of: pulled.destination)
            #expect(none == nil)
        }
    }

    // The expected code is that of Python's hmac.
    @Test("messages are signed as Standard Webhooks says")
    func signature() {
        let key = (0..<24).map { UInt8($0) }
        #expect(MessageSignature.text(ofKey: key) == "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX")
        let headers = MessageSignature.headers(
            Array(#"{"a":1}"#.utf8), id: "msg_7_2", time: Timestamp(seconds: 1_700_000_000), key: key)
        #expect(
            headers == [
                "webhook-id": "msg_7_2", "webhook-timestamp": "1700000000",
                "webhook-signature": "v1,+7EoWWBGajJk68Bb/jPEAW8/1taK8T91tRRtDwEwCJ4=",
            ])
    }
}
