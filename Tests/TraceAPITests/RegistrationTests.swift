import Certificates
import Crypto
import Journal
import Ledger
import NIOHTTP1
import TestSupport
import Testing
import TraceAPI
import TraceFormat
import Wire

@Suite struct RegistrationTests {
    private static let path = "/traces/api/v1/traces"

    private static func policy(_ condition: String = "", resource: String = "*") -> String {
        """
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ledger:Register",
          "Resource": "arn:martlet:ledger:::traces/\(resource)"\(condition)}]}
        """
    }

    private static let onlyTrusted =
        #", "Condition": {"StringEquals": {"ledger:SignatureStatus": "trusted", "ledger:Event": "CREATE"}}"#

    /// The body of a registration; each is signed by the key that is given, or not at all.
    private func body(_ numbers: [Int], event: TraceEvent = .create, by issued: IssuedCertificate?) throws -> [UInt8] {
        var json = JSONWriter()
        try json.array { json in
            for number in numbers {
                let product = Trace.Product(name: "S2A_\(number).SAFE.zip", size: 3, hash: digest(number))
                let message = product.message(event: event)
                var signature = Trace.Signature.none
                if let issued {
                    let key = try P256.Signing.PrivateKey(rawRepresentation: issued.key)
                    signature = Trace.Signature(
                        signature: Base64.encode(Array(try key.signature(for: message).derRepresentation)),
                        algorithm: "ECDSA-SHA256", certificate: Base64.encode(issued.certificate),
                        message: String(decoding: message, as: UTF8.self))
                }
                TraceSubmission(
                    event: event, product: product, hashAlgorithm: .blake3, signature: signature,
                    obsolescence: event == .obsolete ? "replaced" : nil
                ).write(to: &json)
            }
        }
        return json.bytes
    }

    private func put(_ body: [UInt8], _ surroundings: Surroundings) async throws -> (status: UInt, json: JSONValue) {
        let answer = try await get(
            surroundings.service, Self.path, method: .PUT,
            headers: ["Authorization": "Bearer \(surroundings.token)", "Content-Type": "application/json"], body: body)
        #expect(answer.type == "application/json")
        return (answer.status.code, try JSONValue(parsing: answer.body))
    }

    @Test("a batch is registered, each trace with its result", arguments: TestEngine.allCases)
    func registers(engine: TestEngine) async throws {
        try await withSurroundings(engine, policy: Self.policy(Self.onlyTrusted)) { surroundings in
            let signer = try surroundings.authority.issueSigner(commonName: "Ada", days: 1)
            let text = String(decoding: try body([1, 2, 3], by: signer), as: UTF8.self)
            // The second says of its product what was not signed.
            let (size, other) = (#""size":3,"hash":"\#(digest(2))""#, #""size":4,"hash":"\#(digest(2))""#)
            let (status, json) = try await put(Array(text.replacing(size, with: other).utf8), surroundings)
            #expect(status == 201)
            #expect(json["success"]?.integer == 2 && json["error"]?.integer == 1)
            let results = json["traces"]?.array ?? []
            #expect(results.map { $0["success"]?.bool } == [true, false, true])
            #expect(results[1]["message"]?.string?.contains("another size") == true)
            let id = try #require(results[0]["id"]?.string)
            let answer = try await get(surroundings.service, "\(Self.path)/\(id)")
            let trace = try Trace.parse(answer.body)
            #expect(trace.origin == "ada@test.example" && trace.signatureStatus == .trusted)
            #expect(trace.signatureFaults().isEmpty)
            // Who lost the answer hands in the same again.
            let again = try await put(Array(text.utf8), surroundings)
            #expect(again.json["success"]?.integer == 3 && again.json["traces"]?.array?.first?["id"]?.string == id)
        }
    }

    @Test("policy is asked for each trace, and knows its event and who signed it")
    func policies() async throws {
        try await withSurroundings(.sqlite, policy: Self.policy(Self.onlyTrusted)) { surroundings in
            let signer = try surroundings.authority.issueSigner(commonName: "Ada", days: 1)
            let stranger = try CertificateAuthority.create(name: "Other").issueSigner(commonName: "Eve", days: 1)
            for refused in [
                try body([1], by: nil), try body([1], by: stranger), try body([1], event: .obsolete, by: signer),
            ] {
                let (status, json) = try await put(refused, surroundings)
                #expect(status == 403 && json["detail"]?.string?.contains("ledger:Register") == true)
            }
            #expect(try await surroundings.ledger.ids(name: "S2A_1.SAFE.zip").isEmpty)
            let denials = try await surroundings.journal.events(
                of: "arn:martlet:ledger:::traces/S2A_1.SAFE.zip", limit: 10)
            // Equal ones that come soon after are counted, and told of later.
            #expect(!denials.isEmpty)
        }
        try await withSurroundings(.sqlite, policy: Self.policy(resource: "S2A_1.*")) { surroundings in
            let one = try await put(body([1], by: nil), surroundings)
            let two = try await put(body([1, 2], by: nil), surroundings)
            #expect(one.status == 201 && two.status == 403)
        }
        try await withSurroundings(.sqlite) { surroundings in
            let answer = try await put(body([1], by: nil), surroundings)
            #expect(answer.status == 403)
        }
    }

    @Test("what is wrong with a batch is told in FastAPI's form, and a large one refused")
    func refusals() async throws {
        try await withSurroundings(.sqlite, policy: Self.policy()) { surroundings in
            for (text, location) in [
                ("{}", ["body"]), ("[", ["body", 1]), ("[]", ["body"]), ("[{}]", ["body", 0, "event"]),
            ] as [(String, JSONValue)] {
                let (status, json) = try await put(Array(text.utf8), surroundings)
                #expect(status == 422)
                #expect(json["detail"]?.array?.first?["loc"] == location, "\(json.text)")
            }
            let large = [UInt8](repeating: UInt8(ascii: " "), count: TraceSubmission.batchBytesMax + 1)
            #expect(try await put(large, surroundings).status == 413)
            let anonymous = try await get(surroundings.service, Self.path, method: .PUT, body: body([1], by: nil))
            #expect(anonymous.status == .unauthorized && anonymous.headers.contains(name: "WWW-Authenticate"))
        }
    }

    @Test("files are validated by name and hash, and obsolete products listed")
    func validation() async throws {
        try await withSurroundings(.sqlite, policy: Self.policy()) { surroundings in
            let signer = try surroundings.authority.issueSigner(commonName: "Ada", days: 1)
            _ = try await put(body([1], by: signer), surroundings)
            _ = try await put(body([2], by: nil), surroundings)
            func validate(_ number: Int) async throws -> (isValid: Bool?, message: String) {
                let one = try await get(
                    surroundings.service, "\(Self.path)/S2A_\(number).SAFE.zip/validate?filehash=\(digest(number))")
                let other = try await get(
                    surroundings.service,
                    "\(Self.path)/validate?product_name=S2A_\(number).SAFE.zip&hash=\(digest(number))")
                #expect(one.status == .ok && one.body == other.body)
                let json = try JSONValue(parsing: one.body)
                return (json["success"]?.bool, json["message"]?.string ?? "")
            }
            #expect(try await validate(1).isValid == true)
            let unsigned = try await validate(2)
            #expect(unsigned.isValid == false && unsigned.message.contains("not signed"))
            #expect(try await validate(3).message == "no trace has this name and hash")
            #expect(try await get(surroundings.service, "\(Self.path)/obsolete").body == Array("[]".utf8))
            _ = try await put(body([1], event: .obsolete, by: signer), surroundings)
            let obsolete = try await validate(1)
            #expect(obsolete.isValid == false && obsolete.message.contains("replaced"))
            let list = try await get(
                surroundings.service, "\(Self.path)/obsolete?name_prefix=S2A_&start=2020-01-01T00:00:00Z")
            #expect(try Trace.parseList(list.body).map(\.event) == [.obsolete])
            for query in ["obsolete?start=x", "obsolete?after=x", "validate?hash=\(digest(1))", "a/validate"] {
                #expect(try await get(surroundings.service, "\(Self.path)/\(query)").status == .unprocessableEntity)
            }
        }
    }
}
