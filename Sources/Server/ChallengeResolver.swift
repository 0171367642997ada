import Authority
import NIOCore
import NIOPosix
import Wire

/// Asks the operator's resolver for TXT records, over TCP (RFC 7766): whoever is not on the way to it can forge
/// nothing, and no answer is too long.
struct ChallengeResolver: Sendable {
    let host: String
    let port: Int

    /// A look-up as a whole may take so long.
    private static let answerTime = TimeAmount.seconds(10)
    private static let aliasesMax = 8

    /// The TXT records of a name, whatever names stand for it.
    ///
    /// - Throws: ``ACMEError`` `.dns`.
    @Sendable func records(_ name: String) async throws -> [String] {
        var name = name
        for _ in 0..<Self.aliasesMax {
            let answer = try await ask(name)
            guard answer.texts.isEmpty, let alias = answer.alias else { return answer.texts }
            name = alias
        }
        throw ACMEError(.dns, "\(name) stands behind more than \(Self.aliasesMax) aliases")
    }

    private func ask(_ name: String) async throws -> DNSMessage.Answer {
        let id = UInt16.random(in: 0 ... .max)
        guard let question = DNSMessage.question(text: name, id: id) else {
            throw ACMEError(.dns, "'\(name.prefix(253))' is no name that a resolver could be asked for")
        }
        let bytes: [UInt8]
        do {
            bytes = try await exchange(question)
        } catch {
            throw ACMEError(.dns, "the resolver \(host), port \(port), does not answer")
        }
        return try Self.read(bytes, name, id)
    }

    private static func read(_ bytes: [UInt8], _ name: String, _ id: UInt16) throws(ACMEError) -> DNSMessage.Answer {
        do throws(DNSError) {
            return try DNSMessage.answer(bytes, to: name, id: id)
        } catch {
            throw ACMEError(.dns, "what the resolver says of \(name) does not count: \(error)")
        }
    }

    /// Each message has its length before it.
    private func exchange(_ question: [UInt8]) async throws -> [UInt8] {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.seconds(5))
            .connect(host: host, port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        let limit = channel.channel.eventLoop.scheduleTask(in: Self.answerTime) {
            channel.channel.close(promise: nil)
        }
        defer { limit.cancel() }
        return try await channel.executeThenClose { inbound, outbound in
            var out = ByteBuffer()
            out.writeInteger(UInt16(question.count))
            out.writeBytes(question)
            try await outbound.write(out)
            var answer = ByteBuffer()
            for try await var part in inbound {
                answer.writeBuffer(&part)
                guard let count = answer.getInteger(at: 0, as: UInt16.self) else { continue }
                if let bytes = answer.getBytes(at: 2, length: Int(count)) { return bytes }
            }
            throw ACMEError(.dns, "the resolver has closed the connection")
        }
    }
}
