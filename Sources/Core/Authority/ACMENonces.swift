import Ciphers
import Synchronization
import Wire

/// Numbers that are used once, against messages that come twice (RFC 8555 §6.5). A client whose number is not known
/// asks for another, as after a start of the node.
package final class ACMENonces: Sendable {
    /// Those that are out; beyond, the oldest go.
    private static let countMax = 20_000

    private let state = Mutex<(known: Set<String>, order: [String], next: Int)>(([], [], 0))

    package func make() -> String {
        let nonce = Base64.encodeURL(randomBytes(16))
        state.withLock { state in
            if state.order.count < Self.countMax {
                state.order.append(nonce)
            } else {
                state.known.remove(state.order[state.next])
                state.order[state.next] = nonce
                state.next = (state.next + 1) % Self.countMax
            }
            state.known.insert(nonce)
        }
        return nonce
    }

    /// Whether it was out, and was not used.
    package func use(_ nonce: String?) -> Bool {
        guard let nonce else { return false }
        return state.withLock { $0.known.remove(nonce) != nil }
    }
}
