import Testing
import WebDAVFormat
import Wire

/// Headers and bodies that are nearly right: a parser takes or refuses them, and what it takes it can give back.
@Suite struct FuzzTests {
    private static let rounds = 4000

    private struct Random {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15

        mutating func below(_ bound: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % UInt64(bound))
        }
    }

    private func mutants(of seed: String, _ body: ([UInt8]) throws -> Void) rethrows {
        let seed = Array(seed.utf8)
        var random = Random()
        for _ in 0..<Self.rounds {
            var bytes = seed
            for _ in 0...random.below(4) where !bytes.isEmpty {
                let at = random.below(bytes.count)
                switch random.below(4) {
                case 0: bytes.remove(at: at)
                case 1: bytes.insert(seed[random.below(seed.count)], at: at)
                case 2: bytes[at] = UInt8(truncatingIfNeeded: random.below(256))
                default: bytes.removeSubrange(at..<min(bytes.count, at + random.below(20)))
                }
            }
            try body(bytes)
        }
    }

    @Test("If headers")
    func ifHeaders() {
        mutants(of: #"</r1> (Not <urn:a> ["e"]) (<urn:b>) <http://h/r2> ([W/"f"])"#) { bytes in
            guard let header = try? IfHeader(parsing: String(decoding: bytes, as: UTF8.self)) else { return }
            #expect(!header.lists.isEmpty && header.lists.allSatisfy { !$0.conditions.isEmpty })
            _ = header.holds { _ in .init(tokens: header.tokens, etag: "e") }
        }
    }

    @Test("bodies; what a PROPPATCH keeps is XML with the name that it is kept under")
    func bodies() throws {
        let patch = """
            <D:propertyupdate xmlns:D="DAV:" xmlns:z="urn:z"><D:set><D:prop xml:lang="de"><z:a b='1'>x<z:c/>&amp;</z:a>
            <e xmlns="urn:e"><!-- f --></e></D:prop></D:set><D:remove><D:prop><z:g/></D:prop></D:remove>
            </D:propertyupdate>
            """
        try mutants(of: patch) { bytes in
            guard let patch = try? Proppatch(parsing: bytes) else { return }
            for case .set(let name, let element) in patch.changes {
                let again = try XMLElement(parsing: Array(element.utf8))
                #expect(again.name == name.name && again.namespace == name.namespace, "\(element)")
            }
        }
        mutants(of: "<D:propfind xmlns:D='DAV:'><D:prop><D:getetag/><a xmlns='urn:x'/></D:prop></D:propfind>") {
            _ = try? Propfind(parsing: $0)
            _ = try? LockInfo(parsing: $0)
        }
    }
}
