import Crypto
import TestSupport
import Testing
import TraceFormat
import Wire

@Suite struct SubmissionTests {
    private func batch(_ items: [JSONValue]) -> [UInt8] { JSONValue.array(items).bytes }

    private func submission(_ number: Int, event: TraceEvent = .create) throws -> JSONValue {
        let trace = try Signer().trace(
            Trace.Product(
                name: "product \(number)", size: 5, hash: digest(number),
                contents: [.init(path: "a", hash: digest(1000 + number))], inputs: [.init(name: "in", hash: "")]),
            event: event)
        var json = JSONWriter()
        TraceSubmission(
            event: event, product: trace.product, hashAlgorithm: .sha256, signature: trace.signature,
            obsolescence: event == .obsolete ? "replaced" : nil
        ).write(to: &json)
        return try JSONValue(parsing: json.bytes)
    }

    /// A submission of which one member, named by its path, has another value; nil takes it away.
    private func altered(_ path: [String], _ value: JSONValue?) throws -> JSONValue {
        func set(_ target: JSONValue, _ path: ArraySlice<String>) -> JSONValue {
            guard let name = path.first, var object = target.object else { return value ?? .null }
            let rest = path.dropFirst()
            object[name] = rest.isEmpty ? value : set(object[name] ?? .null, rest)
            return .object(object)
        }
        return set(try submission(1), path[...])
    }

    @Test("a batch is read as it was written")
    func reads() throws {
        let items = try (1...50).map { try submission($0) }
        let read = try TraceSubmission.parseBatch(batch(items))
        #expect(read.count == 50)
        var json = JSONWriter()
        read[49].write(to: &json)
        #expect(try JSONValue(parsing: json.bytes) == items[49])
        #expect(
            try TraceSubmission.parseBatch(batch([submission(1, event: .obsolete)])).first?.obsolescence == "replaced")
    }

    @Test(
        "what is wrong with a field is told with the way to it",
        arguments: [
            (["event"], JSONValue?.none, "value_error.missing"), (["event"], "MOVE", "type_error.enum"),
            (["event"], 1, "type_error.str"), (["hash_algorithm"], "MD5", "type_error.enum"),
            (["product"], [], "type_error.dict"), (["product"], JSONValue?.none, "value_error.missing"),
            (["product", "name"], "", "value_error.name"), (["product", "name"], "a\nb", "value_error.name"),
            (["product", "size"], "5", "type_error.integer"), (["product", "size"], -1, "type_error.integer"),
            (["product", "hash"], "12", "value_error.hash"), (["product", "contents"], [:], "type_error.list"),
            (["product", "inputs"], 1, "type_error.list"), (["signature"], .null, "type_error.dict"),
            (["signature", "message"], JSONValue?.none, "value_error.missing"),
            (["obsolescence"], "why", "value_error.obsolescence"), (["obsolescence"], 1, "type_error.str"),
        ] as [([String], JSONValue?, String)])
    func faults(path: [String], value: JSONValue?, type: String) throws {
        let body = batch([try submission(2), try altered(path, value)])
        let error = #expect(throws: InvalidFields.self) { try TraceSubmission.parseBatch(body) }
        let fault = try #require(error?.faults.first)
        #expect(fault.location == ["body", 1] + path.map { .string($0) })
        #expect(fault.type == type)
    }

    @Test("faults of items of lists have their index")
    func itemFaults() throws {
        let contents: JSONValue = [["path": "", "hash": "x"], 3]
        let error = #expect(throws: InvalidFields.self) {
            try TraceSubmission.parseBatch(batch([altered(["product", "contents"], contents)]))
        }
        #expect(
            error?.faults.map(\.location).prefix(2) == [
                ["body", 0, "product", "contents", 0, "path"], ["body", 0, "product", "contents", 0, "hash"],
            ])
        #expect(error?.faults.count == 5)
    }

    @Test("a batch has 1 to 50 traces with one event, and each product once")
    func batches() throws {
        func types(_ items: [JSONValue]) -> [String] {
            do {
                _ = try TraceSubmission.parseBatch(batch(items))
                return []
            } catch {
                return error.faults.map(\.type)
            }
        }
        #expect(types([]) == ["value_error.list.min_items"])
        #expect(types(try (0..<51).map { try submission($0) }) == ["value_error.list.max_items"])
        #expect(types([try submission(1), try submission(2, event: .copy)]) == ["value_error.event"])
        #expect(types([try submission(1), try submission(1)]) == ["value_error.duplicate"])
        #expect(throws: InvalidFields.self) { try TraceSubmission.parseBatch(Array("[".utf8)) }
        #expect(throws: InvalidFields.self) { try TraceSubmission.parseBatch(Array("{}".utf8)) }
    }

    @Test("faults are told up to a number, whatever is handed in")
    func manyFaults() {
        let body = batch([["product": ["contents": .array(Array(repeating: 1, count: 5000))]]])
        let error = #expect(throws: InvalidFields.self) { try TraceSubmission.parseBatch(body) }
        #expect(error?.faults.count == InvalidFields.countMax)
    }

    @Test("random changes of a batch are read or refused")
    func fuzz() throws {
        let body = batch([try submission(1), try submission(2)])
        var generator = SeededGenerator(seed: 6)
        for _ in 0..<3000 {
            var bytes = body
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[place] = .random(in: 0 ... .max, using: &generator)
                case 1: bytes.remove(at: place)
                default: bytes.insert(bytes[Int.random(in: 0..<bytes.count, using: &generator)], at: place)
                }
            }
            guard let read = try? TraceSubmission.parseBatch(bytes) else { continue }
            #expect(read.count <= 2)
        }
    }

    @Test(
        "names of hash algorithms of today and of 2021",
        arguments: [
            ("BLAKE3", TraceHashAlgorithm.blake3), ("blake3", .blake3), ("SHA3", .sha3), ("SHA3-256", .sha3),
            ("sha256", .sha256), ("SHA-256", .sha256),
        ])
    func algorithmNames(name: String, algorithm: TraceHashAlgorithm) {
        #expect(TraceHashAlgorithm(name: name) == algorithm)
        #expect(TraceHashAlgorithm(name: name + "x") == nil)
    }
}
