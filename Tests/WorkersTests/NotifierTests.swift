import Ciphers
import Database
import Journal
import NIOCore
import Notifications
import Objects
import Synchronization
import TestSupport
import Testing
import Vault
import Wire

@testable import Workers

@Suite struct NotifierTests {
    private func event(_ kind: EventKind, _ detail: String, on subject: String = "eo/a/b") -> Event {
        Event(
            tid: 255, sequence: 2, time: Timestamp(seconds: 0), kind: kind, actor: "ada", subject: subject,
            collection: 1, detail: detail)
    }

    private func change(_ kind: EventKind, _ detail: String) -> ObjectChange? {
        ObjectChange(event(kind, detail))
    }

    @Test("events have S3's names")
    func names() {
        #expect(change(.objectPut, "{}")?.name == "s3:ObjectCreated:Put")
        #expect(change(.objectPut, #"{"operation":"Copy"}"#)?.name == "s3:ObjectCreated:Copy")
        #expect(change(.objectDeleted, "{}")?.name == "s3:ObjectRemoved:Delete")
        #expect(change(.objectDeleted, #"{"marker":"m"}"#)?.name == "s3:ObjectRemoved:DeleteMarkerCreated")
        #expect(change(.objectDeleted, #"{"rule":"r"}"#)?.name == "s3:LifecycleExpiration:Delete")
        #expect(
            change(.objectDeleted, #"{"marker":"m","rule":"r"}"#)?.name == "s3:LifecycleExpiration:DeleteMarkerCreated")
        #expect(change(.objectTagged, #"{"tags":2}"#)?.name == "s3:ObjectTagging:Put")
        #expect(change(.objectTagged, #"{"tags":0}"#)?.name == "s3:ObjectTagging:Delete")
        #expect(change(.objectACLSet, "{}")?.name == "s3:ObjectAcl:Put")
        #expect(change(.uploadCreated, "{}") == nil)
        #expect(ObjectChange(event(.objectPut, "{}", on: "eo/.martlet/preview")) == nil)
        #expect(event(.collectionConfigured, #"{"setting":"notification"}"#, on: "eo").isOfNotification)
        #expect(!event(.collectionConfigured, #"{"setting":"cors"}"#, on: "eo").isOfNotification)
        #expect(NotifyingCollection.sequencer(of: event(.objectPut, "{}")) == "00000000000000FF000002")
    }

    @Test("a change is told with the version as clients call it")
    func versions() {
        let put = change(
            .objectPut, #"{"version":"01","versioned":true,"size":3,"etag":"e","client":"::1"}"#)
        #expect(put?.collection == "eo" && put?.key == "a/b" && put?.size == 3 && put?.etag == "e")
        #expect(put?.version == "01" && put?.address == "::1")
        #expect(change(.objectPut, #"{"version":"01"}"#)?.version == "null")
        #expect(change(.objectDeleted, #"{"version":"01"}"#)?.version == "01")
        #expect(change(.objectDeleted, #"{"marker":"02"}"#)?.version == "02")
        #expect(change(.objectDeleted, "{}")?.version == nil)
    }

    // MARK: Delivery

    private func withNotifications(
        _ engine: TestEngine, _ body: (Notifications, Journal) async throws -> Void
    ) async throws {
        try await engine.withDatabase(Journal.migrations + Notifications.migrations) { database in
            let journal = Journal(database: database, node: "test")
            try await body(Notifications(journal: journal, master: MasterKey(direct: .random())), journal)
        }
    }

    private func deliveries(_ numbers: ClosedRange<Int64>, to destination: String, age: Int64 = 0) -> [Delivery] {
        numbers.map {
            Delivery(
                tid: $0, sequence: 0, configuration: "c", destination: destination,
                created: .now.adding(seconds: -age), message: Array("\($0)".utf8))
        }
    }

    /// A receiver that answers with what it is told to.
    private final class Receiver: Sendable {
        let received = Mutex<[String: [String]]>([:])
        let status: @Sendable (String, String) -> Int

        init(_ status: @escaping @Sendable (String, String) -> Int = { _, _ in 200 }) { self.status = status }

        @Sendable func post(_ address: DeliveryAddress, _ message: [UInt8]) async throws -> Int {
            let text = String(decoding: message, as: UTF8.self)
            let status = status(address.url, text)
            guard status != 0 else {
                // Nobody answers.
                try await Task.sleep(for: .seconds(60))
                return 200
            }
            received.withLock { $0[address.url, default: []].append(text) }
            return status
        }
    }

    @Test("a destination that does not answer keeps no other waiting", arguments: TestEngine.allCases)
    func independence(engine: TestEngine) async throws {
        try await withNotifications(engine) { notifications, journal in
            for name in ["dead", "refusing", "fine"] {
                try await notifications.putWebhook(name, url: "http://\(name)/", secret: nil, by: "ada")
                try await notifications.enqueue(deliveries(1...120, to: name))
            }
            let receiver = Receiver { url, _ in url.contains("dead") ? 0 : url.contains("refusing") ? 500 : 200 }
            let courier = Courier(journal: journal, notifications: notifications, post: receiver.post)
            let task = Task { try await courier.run() }
            let expected = (1...120).map { "\($0)" }
            #expect(
                try await eventually {
                    let error = try await notifications.webhook("refusing").state.error
                    return error != nil && receiver.received.withLock { $0["http://fine/"]?.count == 120 }
                })
            #expect(receiver.received.withLock { $0["http://fine/"] } == expected)
            task.cancel()
            _ = try? await task.value
            #expect(try await notifications.webhook("dead").state.waiting == 120)
            let refusing = try await notifications.webhook("refusing").state
            #expect(refusing.waiting == 120 && refusing.error == "it answered with status 500")
        }
    }

    @Test("what fails is tried again before what follows it")
    func retries() async throws {
        try await withNotifications(.sqlite) { notifications, journal in
            try await notifications.putWebhook("a", url: "http://a/", secret: nil, by: "ada")
            try await notifications.enqueue(deliveries(1...3, to: "a"))
            let isUp = Atomic(false)
            let receiver = Receiver { _, text in text == "2" && !isUp.load(ordering: .relaxed) ? 503 : 200 }
            let courier = Courier(journal: journal, notifications: notifications, post: receiver.post)
            #expect(try await !courier.deliverBatch(to: "a"))
            #expect(try await notifications.waiting(for: "a", limit: 9).map(\.tid) == [2, 3])
            isUp.store(true, ordering: .relaxed)
            #expect(try await !courier.deliverBatch(to: "a"))
            #expect(receiver.received.withLock { $0["http://a/"] } == ["1", "2", "2", "3"])
            #expect(try await notifications.webhook("a").state.waiting == 0)
        }
    }

    @Test("what a subscription is posted is composed when it is posted, and signed")
    func subscriptions() async throws {
        try await withNotifications(.sqlite) { notifications, journal in
            let terms = SubscriptionTerms(
                topic: SubscriptionTerms.products, filter: "", events: .created, push: .init(url: "https://a.example/"))
            let (one, key) = try await notifications.subscribe(terms, password: nil, account: 1, by: "ada")
            try await notifications.enqueue(
                (1...3).map {
                    Notice(
                        event: Event(
                            tid: $0, sequence: 0, time: .now, kind: EventKind("item.put"), actor: "ada",
                            subject: "eo/a", collection: 1, detail: "{}"),
                        content: SubscriptionNotice(event: .created, number: $0).content
                    ).delivery(to: one.destination)
                })
            let posted = Mutex<[(headers: [String: String], text: String)]>([])
            let courier = Courier(
                journal: journal, notifications: notifications,
                post: { address, message in
                    posted.withLock { $0.append((address.headers, String(decoding: message, as: UTF8.self))) }
                    return 200
                },
                // What its owner may not see any more is not posted.
                compose: {
                    SubscriptionNotice($0)?.number == 2
                        ? nil : Posting(type: Posting.cloudEvent, bytes: Array("composed \($0.tid)".utf8))
                })
            let hasMore = try await courier.deliverBatch(to: one.destination)
            let all = posted.withLock { $0 }
            #expect(!hasMore && all.map(\.text) == ["composed 1", "composed 3"])
            #expect(all.map { $0.headers["webhook-id"] } == ["msg_1_0", "msg_3_0"])
            for (headers, text) in all {
                let time = try #require(headers["webhook-timestamp"].flatMap { Int64($0) })
                #expect(headers["Content-Type"] == Posting.cloudEvent)
                #expect(
                    headers.filter { $0.key != "Content-Type" }
                        == MessageSignature.headers(
                            Array(text.utf8), id: headers["webhook-id"] ?? "", time: Timestamp(seconds: time),
                            key: key ?? []))
            }
            let left = try await notifications.subscription(one.id, of: 1).state.waiting
            #expect(left == 0)
        }
    }

    @Test(
        "a message that is refused again and again, or is a day old, is a dead letter until it is retried",
        arguments: TestEngine.allCases)
    func givingUp(engine: TestEngine) async throws {
        try await withNotifications(engine) { notifications, journal in
            try await notifications.putWebhook("a", url: "http://a/", secret: nil, by: "ada")
            try await notifications.enqueue(deliveries(1...2, to: "a") + deliveries(3...3, to: "gone"))
            let isFixed = Atomic(false)
            let receiver = Receiver { _, text in text == "1" && !isFixed.load(ordering: .relaxed) ? 422 : 200 }
            let courier = Courier(journal: journal, notifications: notifications, post: receiver.post)
            for _ in 1..<10 { #expect(try await !courier.deliverBatch(to: "a")) }
            #expect(try await courier.deliverBatch(to: "a"))
            #expect(try await !courier.deliverBatch(to: "a"))
            #expect(receiver.received.withLock { $0["http://a/"]?.last } == "2")
            try await notifications.enqueue(deliveries(4...4, to: "a", age: 90_000))
            #expect(try await courier.deliverBatch(to: "a"))
            let state = try await notifications.webhook("a").state
            #expect(state.waiting == 0 && state.dropped == 0 && state.dead == 2)
            let dead = try await notifications.deadLetters(of: "a", after: nil, limit: 9)
            #expect(dead.map { DeliveryID($0.delivery).text } == ["1-0-c", "4-0-c"])
            #expect(dead.map(\.reason) == ["it answered with status 422", "it was tried for a day"])
            isFixed.store(true, ordering: .relaxed)
            #expect(try await notifications.revive([DeliveryID(dead[0].delivery)], of: "a", by: "ada") == 1)
            #expect(try await !courier.deliverBatch(to: "a"))
            #expect(receiver.received.withLock { $0["http://a/"]?.last } == "1")
            #expect(try await notifications.discardDead(nil, of: "a", by: "ada") == 1)
            #expect(try await notifications.webhook("a").state.dead == 0)
            // A webhook that was deleted after the message was made.
            #expect(try await courier.deliverBatch(to: "gone"))
            #expect(try await notifications.waiting(for: "gone", limit: 1).isEmpty)
        }
    }

    @Test("a receiver that says that it is gone for good is not asked again")
    func gone() async throws {
        try await withNotifications(.sqlite) { notifications, journal in
            try await notifications.putWebhook("a", url: "http://a/", secret: nil, by: "ada")
            try await notifications.enqueue(deliveries(1...2, to: "a"))
            let receiver = Receiver { _, text in text == "1" ? 410 : 200 }
            let courier = Courier(journal: journal, notifications: notifications, post: receiver.post)
            #expect(try await courier.deliverBatch(to: "a"))
            #expect(try await !courier.deliverBatch(to: "a"))
            #expect(receiver.received.withLock { $0["http://a/"] } == ["1", "2"])
            #expect(try await notifications.webhook("a").state.dead == 1)
        }
    }

    @Test("logs have no secrets of addresses")
    func readable() {
        #expect(Courier.readable("hook") == "hook")
        #expect(Courier.readable("https://user:secret@example.org:8443/a?token=b") == "example.org:8443")
    }
}
