import HTTPSupport
import NIOHTTP1
import Synchronization

/// Answers for a face that is put together only after its port is bound; until then 503.
final class LateResponder: Sendable {
    /// A closure that is the value of a mutex by itself is wrapped once more each time that it is read, so that every
    /// request would be slower than the one before. In a struct it is not.
    private struct Held {
        var responder: Responder
    }

    private let held = Mutex<Held?>(nil)

    func set(_ responder: @escaping Responder) { held.withLock { $0 = Held(responder: responder) } }

    func respond(_ request: Request) async -> Response {
        guard let held = held.withLock({ $0 }) else {
            return Problem(.serviceUnavailable, "starting", "the node is starting", headers: ["Retry-After": "1"])
                .response
        }
        return await held.responder(request)
    }
}
