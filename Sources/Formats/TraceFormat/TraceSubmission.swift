package import Wire

/// A trace as it is handed in: without the id, the time and the origin, which the service gives it.
package struct TraceSubmission: Hashable, Sendable {
    package var event: TraceEvent
    package var product: Trace.Product
    package var hashAlgorithm: TraceHashAlgorithm
    package var signature: Trace.Signature
    /// Why the product is not recommended any more; with OBSOLETE alone.
    package var obsolescence: String?
    package var service: Trace.Service?

    /// The most in one batch.
    package static let batchMax = 50
    /// The longest batch in bytes: 50 traces of some 500 files each.
    package static let batchBytesMax = 8 << 20
    package static let nameBytesMax = 1024
    package static let obsolescenceBytesMax = 4096
    /// Of contents and of inputs; a larger product is traced by its digest alone.
    package static let contentsMax = 100_000
    /// Beyond it a JSON number is not exact everywhere: nine petabytes.
    package static let sizeMax: Int64 = 1 << 53 - 1

    package init(
        event: TraceEvent, product: Trace.Product, hashAlgorithm: TraceHashAlgorithm, signature: Trace.Signature,
        obsolescence: String? = nil, service: Trace.Service? = nil
    ) {
        self.event = event
        self.product = product
        self.hashAlgorithm = hashAlgorithm
        self.signature = signature
        self.obsolescence = obsolescence
        self.service = service
    }

    /// Reads the body of a registration: an array of 1 to 50 traces with the same event, no two of them of a product
    /// with the same hash.
    ///
    /// - Throws: ``InvalidFields``.
    package static func parseBatch(_ bytes: [UInt8]) throws(InvalidFields) -> [TraceSubmission] {
        let value: JSONValue
        do {
            value = try JSONValue(parsing: bytes, maximumDepth: 8)
        } catch {
            throw InvalidFields([
                .init(["body", .integer(Int64(error.offset))], error.message, type: "value_error.jsondecode")
            ])
        }
        var fields = FieldReader()
        let batch = fields.batch(value)
        guard fields.faults.isEmpty else { throw InvalidFields(fields.faults) }
        return batch
    }

    /// Its JSON object, as ``parseBatch(_:)`` reads it in an array.
    package func write(to json: inout JSONWriter) {
        json.object {
            $0.member("event", event.rawValue)
            $0.member("hash_algorithm", hashAlgorithm.rawValue)
            if let obsolescence { $0.member("obsolescence", obsolescence) }
            if let service {
                $0.key("service")
                service.write(to: &$0)
            }
            $0.key("product")
            product.write(to: &$0)
            $0.key("signature")
            signature.write(to: &$0)
        }
    }
}

/// What is wrong with the fields of a document, in the words of FastAPI (`HTTPValidationError`).
package struct InvalidFields: Error, Hashable, Sendable, CustomStringConvertible {
    package struct Fault: Hashable, Sendable {
        /// The way to the field: names and indexes, beginning with `body`.
        package var location: [JSONValue]
        package var message: String
        /// Such as `value_error.missing`.
        package var type: String

        package init(_ location: [JSONValue], _ message: String, type: String) {
            self.location = location
            self.message = message
            self.type = type
        }
    }

    /// The first of them: ``countMax`` at most.
    package let faults: [Fault]
    package static let countMax = 100

    package init(_ faults: [Fault]) { self.faults = faults }

    package var description: String {
        faults.map { "\($0.location.map { $0.string ?? $0.text }.joined(separator: ".")): \($0.message)" }
            .joined(separator: "; ")
    }
}

/// Reads members and notes what is wrong with them, so that a client hears all of it at once.
private struct FieldReader {
    private(set) var faults: [InvalidFields.Fault] = []
    /// The way to what is being read.
    private var location: [JSONValue] = ["body"]

    /// Reads something further in.
    private mutating func within<T>(_ step: JSONValue, _ read: (inout FieldReader) -> T) -> T {
        location.append(step)
        defer { location.removeLast() }
        return read(&self)
    }

    /// - Parameter member: of what is being read, that the fault is in; nil for the whole of it.
    private mutating func note(_ member: String?, _ message: @autoclosure () -> String, _ type: String) {
        guard faults.count < InvalidFields.countMax else { return }
        faults.append(InvalidFields.Fault(location + (member.map { [.string($0)] } ?? []), message(), type: type))
    }

    mutating func batch(_ value: JSONValue) -> [TraceSubmission] {
        guard let items = value.array else {
            note(nil, "value is not a valid list", "type_error.list")
            return []
        }
        guard let first = items.first else {
            note(nil, "ensure this value has at least 1 items", "value_error.list.min_items")
            return []
        }
        guard items.count <= TraceSubmission.batchMax else {
            note(
                nil, "ensure this value has at most \(TraceSubmission.batchMax) items", "value_error.list.max_items")
            return []
        }
        let event = first["event"]
        var hashes: [String: Int] = [:]
        return items.enumerated().compactMap { index, item in
            within(.integer(Int64(index))) { reader in
                guard let submission = reader.submission(item) else { return nil }
                if item["event"] != event {
                    reader.note("event", "all traces of a batch have the same event", "value_error.event")
                }
                if let other = hashes.updateValue(index, forKey: submission.product.hash.lowercased()) {
                    reader.within("product") {
                        $0.note(
                            "hash", "trace \(other) of the batch is of the same hash and event",
                            "value_error.duplicate")
                    }
                }
                return submission
            }
        }
    }

    private static let events = TraceEvent.allCases.map(\.rawValue)
    private static let algorithms = TraceHashAlgorithm.allCases.map(\.rawValue)

    private mutating func submission(_ value: JSONValue) -> TraceSubmission? {
        guard value.object != nil else {
            note(nil, "value is not a valid dict", "type_error.dict")
            return nil
        }
        let before = faults.count
        let event = choice(value, "event", Self.events).flatMap(TraceEvent.init(rawValue:))
        let algorithm = hashAlgorithm(value)
        let product = object(value, "product").map { product in within("product") { $0.product(product) } }
        let signature = object(value, "signature").map { signature in
            within("signature") { reader in
                Trace.Signature(
                    signature: reader.text(signature, "signature"), algorithm: reader.text(signature, "algorithm"),
                    certificate: reader.text(signature, "certificate"), message: reader.text(signature, "message"))
            }
        }
        let obsolescence = optionalText(value, "obsolescence")
        if let event, (event == .obsolete) != (obsolescence != nil) {
            note(
                "obsolescence", "a reason is given with the event OBSOLETE, and with no other",
                "value_error.obsolescence")
        }
        if let obsolescence, !(1...TraceSubmission.obsolescenceBytesMax).contains(obsolescence.utf8.count) {
            note(
                "obsolescence", "a reason has 1 to \(TraceSubmission.obsolescenceBytesMax) bytes",
                "value_error.any_str.max_length")
        }
        var service: Trace.Service?
        if let given = value["service"], !given.isNull {
            do {
                service = try Trace.Service(given)
            } catch {
                note("service", error.message, "value_error.service")
            }
        }
        guard faults.count == before, let event, let algorithm, let product, let signature else { return nil }
        return TraceSubmission(
            event: event, product: product, hashAlgorithm: algorithm, signature: signature,
            obsolescence: obsolescence, service: service)
    }

    private mutating func product(_ value: JSONValue) -> Trace.Product {
        let name = text(value, "name")
        if !name.isTraceName { noteName() }
        var size: Int64 = 0
        if let given = value["size"] {
            if let number = given.integer, (0...TraceSubmission.sizeMax).contains(number) {
                size = number
            } else {
                note(
                    "size", "value is not a valid integer from 0 to \(TraceSubmission.sizeMax)", "type_error.integer")
            }
        } else {
            noteMissing("size")
        }
        let hash = hash(value)
        let contents = items(value, "contents") { reader, item in
            let path = reader.text(item, "path")
            if path.isEmpty || path.utf8.contains(0) {
                reader.note("path", "a path is not empty and has no NUL character", "value_error.path")
            }
            return Trace.Content(path: path, hash: reader.hash(item))
        }
        let inputs = items(value, "inputs") { reader, item in
            let name = reader.text(item, "name")
            if !name.isTraceName { reader.noteName() }
            return Trace.Input(name: name, hash: reader.hash(item, mayBeEmpty: true))
        }
        return Trace.Product(name: name, size: size, hash: hash, contents: contents, inputs: inputs)
    }

    private mutating func noteMissing(_ member: String) { note(member, "field required", "value_error.missing") }

    private mutating func noteName() {
        note(
            "name", "a name has 1 to \(TraceSubmission.nameBytesMax) bytes without control characters",
            "value_error.name")
    }

    private mutating func text(_ value: JSONValue, _ member: String) -> String {
        guard let found = value[member] else {
            noteMissing(member)
            return ""
        }
        guard let text = found.string else {
            note(member, "str type expected", "type_error.str")
            return ""
        }
        return text
    }

    private mutating func optionalText(_ value: JSONValue, _ member: String) -> String? {
        guard let found = value[member], !found.isNull else { return nil }
        return text(value, member)
    }

    /// One of the texts that are permitted.
    private mutating func choice(_ value: JSONValue, _ member: String, _ permitted: [String]) -> String? {
        let before = faults.count
        let text = text(value, member)
        guard faults.count == before else { return nil }
        if permitted.contains(text) { return text }
        noteChoice(member, permitted)
        return nil
    }

    private mutating func noteChoice(_ member: String, _ permitted: [String]) {
        note(
            member,
            "value is not a valid enumeration member; permitted: "
                + permitted.map { "'\($0)'" }.joined(separator: ", "), "type_error.enum")
    }

    /// It has other names too.
    private mutating func hashAlgorithm(_ value: JSONValue) -> TraceHashAlgorithm? {
        let before = faults.count
        let text = text(value, "hash_algorithm")
        guard faults.count == before else { return nil }
        if let found = TraceHashAlgorithm(name: text) { return found }
        noteChoice("hash_algorithm", Self.algorithms)
        return nil
    }

    private mutating func object(_ value: JSONValue, _ member: String) -> JSONValue? {
        guard let found = value[member] else {
            noteMissing(member)
            return nil
        }
        guard found.object != nil else {
            note(member, "value is not a valid dict", "type_error.dict")
            return nil
        }
        return found
    }

    private mutating func items<T>(
        _ value: JSONValue, _ member: String, _ read: (inout FieldReader, JSONValue) -> T
    ) -> [T]? {
        guard let found = value[member], !found.isNull else { return nil }
        guard let items = found.array else {
            note(member, "value is not a valid list", "type_error.list")
            return nil
        }
        guard items.count <= TraceSubmission.contentsMax else {
            note(
                member, "ensure this value has at most \(TraceSubmission.contentsMax) items",
                "value_error.list.max_items")
            return nil
        }
        return within(.string(member)) { reader in
            items.enumerated().map { index, item in
                reader.within(.integer(Int64(index))) { read(&$0, item) }
            }
        }
    }

    private mutating func hash(_ value: JSONValue, mayBeEmpty: Bool = false) -> String {
        let before = faults.count
        let text = text(value, "hash")
        guard faults.count == before, !(mayBeEmpty && text.isEmpty) else { return text }
        if text.utf8.count != 64 || Hex.decode(text) == nil {
            note(
                "hash", "value is not 64 hexadecimal digits, as BLAKE3, SHA3-256 and SHA-256 have", "value_error.hash")
        }
        return text
    }
}

extension String {
    /// Whether a product can have this name in a trace.
    package var isTraceName: Bool { isTraceText(bytesMax: TraceSubmission.nameBytesMax) }

    /// Whether it has 1 to `bytesMax` bytes and no ASCII control character.
    package func isTraceText(bytesMax: Int) -> Bool {
        (1...bytesMax).contains(utf8.count) && utf8.allSatisfy { $0 >= 0x20 }
    }
}
