import Certificates
import HTTPSupport
import Identity
import Journal
import Logging
import NIOCore
import NIOHTTP1
import NIOSSL
import Notifications
import Policy
import STOMPFormat
import Synchronization
import Wire

/// One connection: takes its frames one after the other, while each of its subscriptions is told what there is in a
/// task of its own.
final class STOMPSession: Sendable {
    typealias Outbound = NIOAsyncChannelOutboundWriter<ByteBuffer>
    typealias Certificate = @Sendable () async throws -> PresentedCertificate?

    let service: STOMPService
    private let connection: ConnectionState
    private let isSecure: Bool
    private let state = Mutex(State())

    /// The node sends something, and wants to hear something, at least so often, where the client can.
    private static let beatMilliseconds: Int64 = 10_000
    private static let subscriptionsMax = 20
    /// Who is logged in is looked at again at most so often.
    private static let standingMicroseconds: Int64 = 1_000_000

    private struct State {
        var info: ConnectionInfo?
        var login: STOMPService.Login?
        var caller: (caller: Caller, time: Timestamp)?
        var subscriptions: [String: STOMPSubscription] = [:]
        /// Milliseconds; 0 for none.
        var sendsEvery: Int64 = 0
        var hearsEvery: Int64 = 0
        var sent = Timestamp.now
        var heard = Timestamp.now
        var acks = 0
    }

    init(_ service: STOMPService, _ connection: ConnectionState, isSecure: Bool) {
        self.service = service
        self.connection = connection
        self.isSecure = isSecure
    }

    /// Serves until the connection ends.
    func serve(_ channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>, certificate: @escaping Certificate) async {
        let remote = channel.channel.remoteAddress?.ipAddress ?? ""
        let place = ConnectionInfo.place(channel.channel.localAddress)
        try? await channel.executeThenClose { inbound, outbound in
            await withDiscardingTaskGroup { group in
                group.addTask { await self.keep(outbound, channel.channel) }
                do {
                    try await self.take(inbound, outbound, &group) {
                        ConnectionInfo(
                            remoteAddress: remote, localAddress: place, isSecure: self.isSecure,
                            certificate: try await certificate())
                    }
                } catch is CancellationError {
                } catch {
                    try? await self.fail(error, nil, outbound)
                }
                for one in self.state.withLock({ Array($0.subscriptions.values) }) { one.end() }
                group.cancelAll()
            }
        }
    }

    // MARK: Frames that come

    private func take(
        _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, _ outbound: Outbound, _ group: inout DiscardingTaskGroup,
        info: () async throws -> ConnectionInfo
    ) async throws {
        var decoder = STOMPDecoder()
        for try await buffer in inbound {
            state.withLock { $0.heard = .now }
            decoder.append(buffer.readableBytesView)
            while let frame = try decoder.next() {
                connection.took()
                do {
                    if state.withLock({ $0.info == nil }) {
                        let known = try await info()
                        state.withLock { $0.info = known }
                    }
                    let isOver = try await take(frame, outbound, &group)
                    if let receipt = frame["receipt"], frame.command != "CONNECT", frame.command != "STOMP" {
                        try await send(STOMPFrame("RECEIPT", [.init("receipt-id", receipt)]), outbound)
                    }
                    if isOver { return }
                } catch {
                    return try await fail(error, frame["receipt"], outbound)
                }
            }
        }
    }

    /// - Returns: whether the client has ended the connection.
    private func take(
        _ frame: STOMPFrame, _ outbound: Outbound, _ group: inout DiscardingTaskGroup
    ) async throws -> Bool {
        let isConnected = state.withLock { $0.login != nil }
        switch frame.command {
        case "CONNECT", "STOMP":
            guard !isConnected else { throw STOMPError("this connection is logged in already") }
            try await connect(frame, outbound)
        case _ where !isConnected: throw STOMPError("a connection begins with CONNECT")
        case "SUBSCRIBE":
            let subscription = try await subscribe(frame)
            group.addTask { await self.tell(subscription, outbound) }
        case "UNSUBSCRIBE":
            let id = try Self.required("id", frame)
            guard let one = state.withLock({ $0.subscriptions.removeValue(forKey: id) }) else {
                throw STOMPError("there is no subscription '\(id.prefix(80))' on this connection")
            }
            one.end()
        case "ACK", "NACK": try await acknowledge(frame)
        case "DISCONNECT": return true
        case "SEND": throw STOMPError("nothing is sent here: what is told is what happens on the node")
        case "BEGIN", "COMMIT", "ABORT": throw STOMPError("there are no transactions here")
        default: throw STOMPError("'\(frame.command)' is no command of STOMP 1.2")
        }
        return false
    }

    private static func required(_ name: String, _ frame: STOMPFrame) throws -> String {
        guard let value = frame[name], !value.isEmpty else {
            throw STOMPError("\(frame.command) has a header '\(name)'")
        }
        return value
    }

    // MARK: Logging in

    private func connect(_ frame: STOMPFrame, _ outbound: Outbound) async throws {
        let versions = (frame["accept-version"] ?? "1.0").split(separator: ",")
        guard versions.contains("1.2"), let info = state.withLock({ $0.info }) else {
            throw STOMPError("this server speaks STOMP 1.2: accept-version has to name it")
        }
        let beats = (frame["heart-beat"] ?? "0,0").split(separator: ",").map { Int64($0) }
        guard beats.count == 2, let canSend = beats[0], let wants = beats[1],
            canSend >= 0, wants >= 0, max(canSend, wants) <= 1 << 40
        else { throw STOMPError("heart-beat is two numbers of milliseconds, such as 10000,10000") }
        let login = try await login(frame, info)
        let caller = try await service.caller(login, info)
        guard caller.principal.accountID != nil else {
            throw STOMPError(
                "CONNECT has login and passcode, the name and an app password; or a token as passcode without login")
        }
        state.withLock { state in
            state.login = login
            state.caller = (caller, .now)
            state.sendsEvery = wants == 0 ? 0 : max(wants, Self.beatMilliseconds)
            state.hearsEvery = canSend == 0 ? 0 : max(canSend, Self.beatMilliseconds)
        }
        connection.loggedIn()
        try await send(
            STOMPFrame(
                "CONNECTED",
                [
                    .init("version", "1.2"), .init("server", "Martlet/\(service.version)"),
                    .init("heart-beat", "\(Self.beatMilliseconds),\(Self.beatMilliseconds)"),
                ]), outbound)
    }

    private func login(_ frame: STOMPFrame, _ info: ConnectionInfo) async throws -> STOMPService.Login {
        let name = frame["login"] ?? ""
        var request = Request(
            method: .GET, target: "/stomp", headers: [:],
            body: RequestBody(), connection: info, id: RequestID.next())
        guard let passcode = frame["passcode"], !passcode.isEmpty else { return .request(request) }
        guard info.isSecure || info.isLoopback else {
            throw STOMPError("passwords and tokens are only taken over TLS")
        }
        guard name.isEmpty else {
            try await service.authenticator.admit(request)
            return .password(
                try await service.authenticator.identity.standingLogin(
                    name: name, password: passcode, address: info.remoteAddress))
        }
        request.headers.add(name: "Authorization", value: "Bearer \(passcode)")
        return .request(request)
    }

    /// Who is logged in now.
    func standing() async throws -> Caller {
        let (login, known, info) = state.withLock { ($0.login, $0.caller, $0.info) }
        guard let login, let info else { throw STOMPError("nobody is logged in") }
        if let known, Timestamp.now.microseconds - known.time.microseconds < Self.standingMicroseconds {
            return known.caller
        }
        let caller = try await service.caller(login, info)
        guard let known, caller.principal.accountID == known.caller.principal.accountID else {
            throw STOMPError("what you have logged in with does not count any more")
        }
        state.withLock { $0.caller = (caller, .now) }
        return caller
    }

    // MARK: Subscriptions

    private func subscribe(_ frame: STOMPFrame) async throws -> STOMPSubscription {
        let (id, destination) = (try Self.required("id", frame), try Self.required("destination", frame))
        guard let mode = STOMPSubscription.Mode(rawValue: frame["ack"] ?? "auto") else {
            throw STOMPError("ack is auto, client or client-individual")
        }
        guard state.withLock({ $0.subscriptions[id] == nil && $0.subscriptions.count < Self.subscriptionsMax }) else {
            throw STOMPError(
                "a connection has up to \(Self.subscriptionsMax) subscriptions, each with an id of its own")
        }
        let caller = try await standing()
        guard let account = caller.principal.accountID else { throw STOMPError("nobody is logged in") }
        let ticket = try service.streams.enter(account)
        let feed = try await feed(destination, frame, caller, account)
        let subscription = STOMPSubscription(
            id: id, destination: destination, mode: mode, feed: feed, ticket: ticket)
        state.withLock { $0.subscriptions[id] = subscription }
        return subscription
    }

    private func feed(
        _ destination: String, _ frame: STOMPFrame, _ caller: Caller, _ account: Int64
    ) async throws -> Feed {
        let (notifications, telling) = (service.notifications, service.telling)
        if destination.hasPrefix("/subscriptions/") {
            try await service.gate.requireOwn(caller.principal, "notifications:Subscribe", caller.context)
            let found = try await notifications.subscription(
                String(destination.dropFirst("/subscriptions/".count)), of: account)
            guard found.terms.isRead else {
                throw STOMPError("this subscription is posted or written; one whose delivery is pull can be read")
            }
            return try await Feed(.subscription(found), notifications, telling, after: nil)
        }
        guard destination.hasPrefix("/topic/") else {
            throw STOMPError("a destination is /subscriptions/ID or /topic/NAME, not '\(destination.prefix(80))'")
        }
        let topic = try telling.topics.topic(String(destination.dropFirst("/topic/".count)))
        let filter = frame["selector"] ?? ""
        try await topic.check(filter)
        let after = try frame["last-event-id"].map { text in
            guard let place = JournalPosition(text) else {
                throw STOMPError("last-event-id is the message-id of what was seen last, such as 1234-0")
            }
            return place
        }
        return try await Feed(.topic(topic, filter: filter), notifications, telling, after: after)
    }

    /// Tells one subscription what there is, until it ends.
    private func tell(_ subscription: STOMPSubscription, _ outbound: Outbound) async {
        defer { subscription.end() }
        do {
            var feed = subscription.feed
            while subscription.isOpen, !service.streams.isEnding {
                let generation = feed.generation
                let caller = try await standing()
                let (items, hasMore) = try await feed.next(for: caller.principal, caller.context)
                for item in items {
                    // Who does not say what arrived is told no more.
                    while subscription.isFull, subscription.isOpen, !service.streams.isEnding {
                        try await Task.sleep(for: .milliseconds(50))
                    }
                    guard subscription.isOpen else { return }
                    try await send(message(item, subscription), outbound)
                    if subscription.mode == .auto { try await done([item.delivery], subscription) }
                }
                if !hasMore { try await feed.wait(after: generation) }
            }
        } catch is CancellationError {
        } catch {
            try? await fail(error, nil, outbound)
        }
    }

    private func message(_ item: Feed.Item, _ subscription: STOMPSubscription) -> STOMPFrame {
        var headers: [STOMPFrame.Header] = [
            .init("subscription", subscription.id), .init("message-id", item.id),
            .init("destination", subscription.destination), .init("content-type", item.posting.type),
        ]
        if subscription.mode != .auto {
            let ack = state.withLock { state in
                state.acks += 1
                return String(state.acks)
            }
            subscription.sent(item.delivery, ack: ack)
            headers.append(.init("ack", ack))
        }
        return STOMPFrame("MESSAGE", headers, body: item.posting.bytes)
    }

    // MARK: Acknowledgements

    private func acknowledge(_ frame: STOMPFrame) async throws {
        let ack = try Self.required("id", frame)
        guard frame["transaction"] == nil else { throw STOMPError("there are no transactions here") }
        for one in state.withLock({ Array($0.subscriptions.values) }) {
            guard let deliveries = one.take(ack: ack) else { continue }
            if frame.command == "ACK" {
                try await done(deliveries, one)
            } else if case .subscription(let subscription) = one.feed.source {
                try await service.notifications.bury(
                    deliveries, for: subscription.destination, "its reader turned it down (NACK)")
            }
            return
        }
        throw STOMPError("'\(ack.prefix(40))' is no 'ack' of a message that waits to be acknowledged")
    }

    /// What was told need not wait any more.
    private func done(_ deliveries: [Delivery], _ one: STOMPSubscription) async throws {
        guard case .subscription(let subscription) = one.feed.source else { return }
        try await service.notifications.discard(deliveries, of: subscription)
    }

    // MARK: Frames that go

    private func send(_ frame: STOMPFrame, _ outbound: Outbound) async throws {
        try await outbound.write(ByteBuffer(bytes: frame.bytes))
        state.withLock { $0.sent = .now }
    }

    /// Says what was wrong. The connection ends behind it.
    private func fail(_ error: any Error, _ receipt: String?, _ outbound: Outbound) async throws {
        let text: String
        if let error = error as? STOMPError {
            text = error.description
        } else if let known = STOMPService.message(error) {
            text = known
        } else {
            // The client has gone.
            guard !(error is ChannelError), !(error is IOError), !(error is NIOSSLError) else { return }
            service.logger.error("\(error)")
            text = "it failed inside the server"
        }
        var headers: [STOMPFrame.Header] = [.init("message", text), .init("content-type", "text/plain")]
        if let receipt { headers.append(.init("receipt-id", receipt)) }
        try await send(STOMPFrame("ERROR", headers, body: Array(text.utf8)), outbound)
        outbound.finish()
    }

    /// Sends heart-beats, and ends the connection where nothing is heard, the login does not count any more, or the
    /// node is being stopped.
    private func keep(_ outbound: Outbound, _ channel: any Channel) async {
        do {
            while true {
                try await Task.sleep(for: .seconds(1))
                guard !service.streams.isEnding else { throw STOMPError("the node is being stopped") }
                let (isIn, sends, hears, sent, heard) = state.withLock {
                    ($0.login != nil, $0.sendsEvery, $0.hearsEvery, $0.sent, $0.heard)
                }
                let now = Timestamp.now.microseconds
                // The other side has twice its time: clocks and networks are not exact.
                guard hears == 0 || now - heard.microseconds < hears * 2000 else {
                    throw STOMPError("no heart-beat came for \(hears * 2) milliseconds")
                }
                if sends > 0, now - sent.microseconds >= sends * 1000 - 1_500_000 {
                    try await outbound.write(ByteBuffer(string: "\n"))
                    state.withLock { $0.sent = .now }
                }
                if isIn { _ = try await standing() }
            }
        } catch is CancellationError {
            return
        } catch {
            try? await fail(error, nil, outbound)
            // What comes is not waited for any more.
            try? await channel.close(mode: .all)
        }
    }
}
