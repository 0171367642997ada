import Wire

/// What a browser signs along (WebAuthn Level 3 §5.8.1): for which ceremony, challenge and site.
package struct ClientData: Sendable {
    package enum Ceremony: String, Sendable {
        case create = "webauthn.create"
        case get = "webauthn.get"
    }

    /// Longer ones are not read; browsers send some 200 bytes.
    package static let bytesMax = 8192

    /// The challenge as it was given.
    package let challenge: [UInt8]
    package let origin: String

    /// Reads the JSON and checks all that the site knows beforehand (§7.1 and §7.2, steps 7 to 12).
    ///
    /// - Parameter origin: the site's, such as `https://data.example.org`.
    /// - Throws: ``WebAuthnError`` `.malformed` or `.refused`.
    package init(parsing bytes: [UInt8], _ ceremony: Ceremony, origin: String) throws(WebAuthnError) {
        guard bytes.count <= Self.bytesMax, let json = try? JSONValue(parsing: bytes, maximumDepth: 8) else {
            throw .malformed("clientDataJSON is not JSON of up to \(Self.bytesMax) bytes")
        }
        guard let type = json["type"]?.string, let text = json["challenge"]?.string,
            let challenge = Base64.decode(text), let from = json["origin"]?.string
        else { throw .malformed("clientDataJSON needs 'type', 'challenge' and 'origin'") }
        guard type == ceremony.rawValue else {
            throw .refused("the answer is one to '\(type.prefix(40))', not '\(ceremony.rawValue)'")
        }
        guard from == origin else { throw .refused("the answer was given to \(from.prefix(200)), not to \(origin)") }
        // In a frame of another site somebody could be made to press a button that they do not see.
        guard json["crossOrigin"]?.bool != true, json["topOrigin"] == nil else {
            throw .refused("the answer was given within a page of another site")
        }
        self.challenge = challenge
        self.origin = from
    }
}
