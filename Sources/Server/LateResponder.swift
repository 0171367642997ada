import HTTPSupport
import NIOHTTP1
import Synchronization

/// Answers for a face that is put together only after its port is bound; until then 503.
final class LateResponder: Sendable {
    private let responder = Mutex<Responder?>(nil)

    func set(_ responder: @escaping Responder) { self.responder.withLock { $0 = responder } }

    func respond(_ request: Request) async -> Response {
        guard let responder = responder.withLock({ $0 }) else {
            return Problem(.serviceUnavailable, "starting", "the node is starting", headers: ["Retry-After": "1"])
                .response
        }
        return await responder(request)
    }
}
