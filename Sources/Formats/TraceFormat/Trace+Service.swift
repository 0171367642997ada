package import Wire

extension Trace {
    /// In whose service something happened to a product, and what kind of happening it was: names of the service's
    /// registry, with the attributes that go with an event of that type.
    ///
    /// It is signed where the signed message has the same member `service`; see ``Trace/Signature/message``.
    package struct Service: Hashable, Sendable {
        /// The institution that answers for the service.
        package var owner: String?
        /// Who runs it.
        package var provider: String?
        /// What the service is part of, such as a mission or a programme.
        package var context: String?
        /// A type of event that is registered, whose schema the attributes fulfil.
        package var eventType: String?
        package var attributes: JSONObject?

        /// Of the whole, as JSON.
        package static let bytesMax = 16 << 10
        package static let nameBytesMax = 128

        package init(
            owner: String? = nil, provider: String? = nil, context: String? = nil, eventType: String? = nil,
            attributes: JSONObject? = nil
        ) {
            self.owner = owner
            self.provider = provider
            self.context = context
            self.eventType = eventType
            self.attributes = attributes
        }

        /// - Throws: ``TraceError``: `malformed`, `tooLarge`.
        package init(_ value: JSONValue) throws(TraceError) {
            guard let members = value.object?.members else {
                throw TraceError(.malformed, "the 'service' of a trace must be a JSON object")
            }
            for member in members where !Self.members.contains(member.name) {
                throw TraceError(
                    .malformed,
                    "the 'service' of a trace has \(Self.members.joined(separator: ", ")), not '\(member.name.prefix(40))'"
                )
            }
            func name(_ member: String) throws(TraceError) -> String? {
                guard let given = value[member], !given.isNull else { return nil }
                guard let text = given.string, Self.isName(text) else {
                    throw TraceError(
                        .malformed,
                        "'\(member)' must be a name of 1 to \(Self.nameBytesMax) letters, digits and -._: of ASCII")
                }
                return text
            }
            owner = try name("owner")
            provider = try name("provider")
            context = try name("context")
            eventType = try name("event_type")
            if let given = value["attributes"], !given.isNull {
                guard let object = given.object else {
                    throw TraceError(.malformed, "'attributes' must be a JSON object")
                }
                attributes = object
            }
            guard attributes == nil || eventType != nil else {
                throw TraceError(.malformed, "'attributes' go with an 'event_type', which says what they mean")
            }
            guard document.count <= Self.bytesMax else {
                throw TraceError(.tooLarge, "a 'service' has at most \(Self.bytesMax) bytes")
            }
        }

        private static let members = ["owner", "provider", "context", "event_type", "attributes"]

        /// Whether something of the registry can have this name.
        package static func isName(_ text: String) -> Bool {
            (1...nameBytesMax).contains(text.utf8.count)
                && text.utf8.allSatisfy {
                    (0x30...0x39).contains($0) || (0x61...0x7A).contains($0 | 0x20) || "-._:".utf8.contains($0)
                }
        }

        /// Its JSON object.
        package func write(to json: inout JSONWriter) {
            json.object {
                if let owner { $0.member("owner", owner) }
                if let provider { $0.member("provider", provider) }
                if let context { $0.member("context", context) }
                if let eventType { $0.member("event_type", eventType) }
                if let attributes { $0.member("attributes", JSONValue.object(attributes)) }
            }
        }

        /// Compact JSON.
        package var document: [UInt8] {
            var json = JSONWriter()
            write(to: &json)
            return json.bytes
        }
    }
}
