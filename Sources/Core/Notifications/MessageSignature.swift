import Crypto
package import Wire

/// The signature of a message that is posted (Standard Webhooks 1.0): HMAC-SHA256 over its id, the time of the attempt
/// and its body. A receiver that has the key knows that the message is this node's, and how old it is.
package enum MessageSignature {
    /// What a receiver is given of a key.
    package static func text(ofKey key: [UInt8]) -> String { "whsec_" + Base64.encode(key) }

    /// The headers that go with a message.
    ///
    /// - Parameter id: the same for each attempt at one message.
    package static func headers(
        _ message: [UInt8], id: String, time: Timestamp, key: [UInt8]
    ) -> [String: String] {
        let seconds = time.microseconds / 1_000_000
        let code = HMAC<SHA256>.authenticationCode(
            for: Array("\(id).\(seconds).".utf8) + message, using: SymmetricKey(data: key))
        return [
            "webhook-id": id, "webhook-timestamp": String(seconds),
            "webhook-signature": "v1," + Base64.encode(Array(code)),
        ]
    }
}
