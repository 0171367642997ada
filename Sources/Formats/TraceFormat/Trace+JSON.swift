package import Wire

extension Trace {
    /// The longest document in bytes that is read. A trace of 100,000 files has about 30 MB.
    package static let documentBytesMax = 64 << 20
    /// The most traces that are read from one document.
    package static let listCountMax = 1000

    /// Reads one trace.
    /// - Throws: ``TraceError``: `malformed`, `tooLarge`.
    package static func parse(_ bytes: [UInt8]) throws(TraceError) -> Trace { try Trace(document(bytes)) }

    /// Reads an array of traces, as lookups by name and hash answer, or a single one.
    /// - Throws: ``TraceError``: `malformed`, `tooLarge`.
    package static func parseList(_ bytes: [UInt8]) throws(TraceError) -> [Trace] {
        let value = try document(bytes)
        guard let list = value.array else { return [try Trace(value)] }
        guard list.count <= listCountMax else {
            throw TraceError(.tooLarge, "a list of \(list.count) traces: at most \(listCountMax) are read")
        }
        var traces: [Trace] = []
        for value in list { traces.append(try Trace(value)) }
        return traces
    }

    private static func document(_ bytes: [UInt8]) throws(TraceError) -> JSONValue {
        guard bytes.count <= documentBytesMax else {
            throw TraceError(.tooLarge, "a document of \(bytes.count) bytes: at most \(documentBytesMax) are read")
        }
        do {
            return try JSONValue(parsing: bytes, maximumDepth: 8)
        } catch {
            throw TraceError(.malformed, "a trace must be JSON: \(error)")
        }
    }

    /// Reads a trace that is JSON already. Members that it does not know are passed over.
    package init(_ value: JSONValue) throws(TraceError) {
        guard value.object != nil else { throw TraceError(.malformed, "a trace must be a JSON object") }
        let idText = try value.text("id")
        guard let id = TraceID(idText) else {
            throw TraceError(.malformed, "the id \(excerpt(idText)) of a trace must be a UUID")
        }
        let eventText = try value.text("event")
        guard let event = TraceEvent(rawValue: eventText) else {
            throw TraceError(.malformed, "the event \(excerpt(eventText)) must be CREATE, COPY, DELETE or OBSOLETE")
        }
        let algorithmText = try value.text("hash_algorithm")
        guard let algorithm = TraceHashAlgorithm(name: algorithmText) else {
            throw TraceError(.malformed, "the hash_algorithm \(excerpt(algorithmText)) must be BLAKE3, SHA3 or SHA256")
        }
        let time = try value.text("timestamp")
        guard let timestamp = Timestamp(rfc3339: time) else {
            throw TraceError(.malformed, "the timestamp \(excerpt(time)) must be an RFC 3339 time with its offset")
        }
        let signature = value["signature"] ?? .null
        self.init(
            id: id, event: event, product: try Product(value["product"] ?? .null), hashAlgorithm: algorithm,
            signature: Signature(
                signature: try signature.text("signature"), algorithm: try signature.text("algorithm"),
                certificate: try signature.text("certificate"), message: try signature.text("message")),
            obsolescence: try value.textOrNil("obsolescence"), service: try Self.service(value["service"]),
            timestamp: timestamp, origin: try value.text("origin"),
            signatureStatus: try value.textOrNil("signature_status").flatMap { SignatureStatus(rawValue: $0) },
            signerRevokedSince: try value.textOrNil("signer_revoked_since").flatMap { Timestamp(rfc3339: $0) })
    }

    private static func service(_ value: JSONValue?) throws(TraceError) -> Service? {
        guard let value, !value.isNull else { return nil }
        return try Service(value)
    }

    /// Writes it as the service answers it.
    package func write(to json: inout JSONWriter) {
        json.object {
            $0.key("product")
            product.write(to: &$0)
            $0.member("event", event.rawValue)
            $0.member("hash_algorithm", hashAlgorithm.rawValue)
            $0.key("signature")
            signature.write(to: &$0)
            if let obsolescence { $0.member("obsolescence", obsolescence) }
            if let service {
                $0.key("service")
                service.write(to: &$0)
            }
            $0.member("timestamp", timestamp.rfc3339)
            $0.member("origin", origin)
            $0.member("id", id.text)
            if let signatureStatus { $0.member("signature_status", signatureStatus.rawValue) }
            if let signerRevokedSince { $0.member("signer_revoked_since", signerRevokedSince.rfc3339) }
        }
    }

    /// Its JSON document.
    package var document: [UInt8] {
        var json = JSONWriter(capacity: 1024 + 2 * signature.message.utf8.count)
        write(to: &json)
        return json.bytes
    }
}

extension Trace.Signature {
    /// Its JSON object.
    package func write(to json: inout JSONWriter) {
        json.object {
            $0.member("signature", signature)
            $0.member("algorithm", algorithm)
            $0.member("certificate", certificate)
            $0.member("message", message)
        }
    }
}

extension Trace.Product {
    /// Reads the members of a product, which may have others beside them.
    init(_ value: JSONValue) throws(TraceError) {
        guard let size = value["size"]?.integer, size >= 0 else {
            throw TraceError(.malformed, "the product's 'size' must be a whole number of bytes")
        }
        self.init(
            name: try value.text("name"), size: size, hash: try value.text("hash"),
            contents: try value.items("contents") { item throws(TraceError) in
                Trace.Content(path: try item.text("path"), hash: try item.text("hash"))
            },
            inputs: try value.items("inputs") { item throws(TraceError) in
                Trace.Input(name: try item.text("name"), hash: try item.text("hash"))
            })
    }

    /// Its JSON object.
    package func write(to json: inout JSONWriter) {
        json.object {
            $0.member("name", name)
            $0.member("size", size)
            $0.member("hash", hash)
            if let contents {
                $0.key("contents")
                $0.array { json in
                    for content in contents {
                        json.object {
                            $0.member("path", content.path)
                            $0.member("hash", content.hash)
                        }
                    }
                }
            }
            if let inputs {
                $0.key("inputs")
                $0.array { json in
                    for input in inputs {
                        json.object {
                            $0.member("name", input.name)
                            $0.member("hash", input.hash)
                        }
                    }
                }
            }
        }
    }
}

extension JSONValue {
    fileprivate func text(_ name: String) throws(TraceError) -> String {
        guard let text = self[name]?.string else {
            throw TraceError(.malformed, "the member '\(name)' of a trace must be a string")
        }
        return text
    }

    fileprivate func textOrNil(_ name: String) throws(TraceError) -> String? {
        guard let value = self[name], !value.isNull else { return nil }
        guard let text = value.string else {
            throw TraceError(.malformed, "the member '\(name)' of a trace must be a string, or null")
        }
        return text
    }

    fileprivate func items<T>(_ name: String, _ read: (JSONValue) throws(TraceError) -> T) throws(TraceError) -> [T]? {
        guard let value = self[name], !value.isNull else { return nil }
        guard let array = value.array else {
            throw TraceError(.malformed, "the member '\(name)' of a product must be an array, or null")
        }
        var items: [T] = []
        items.reserveCapacity(array.count)
        for value in array { items.append(try read(value)) }
        return items
    }
}
