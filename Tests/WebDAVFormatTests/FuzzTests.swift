import TestSupport
import Testing
import WebDAVFormat
import Wire

/// Headers and bodies that are nearly right: a parser takes or refuses them, and what it takes it can give back.
@Suite struct FuzzTests {
    private static let rounds = 4000

    @Test("If headers")
    func ifHeaders() {
        var random = SeededGenerator(seed: 23)
        random.mutants(of: #"</r1> (Not <urn:a> ["e"]) (<urn:b>) <http://h/r2> ([W/"f"])"#, rounds: Self.rounds) {
            bytes in
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
        var random = SeededGenerator(seed: 23)
        try random.mutants(of: patch, rounds: Self.rounds) { bytes in
            guard let patch = try? Proppatch(parsing: bytes) else { return }
            for case .set(let name, let element) in patch.changes {
                let again = try XMLElement(parsing: Array(element.utf8))
                #expect(again.name == name.name && again.namespace == name.namespace, "\(element)")
            }
        }
        let find = "<D:propfind xmlns:D='DAV:'><D:prop><D:getetag/><a xmlns='urn:x'/></D:prop></D:propfind>"
        random.mutants(of: find, rounds: Self.rounds) {
            _ = try? Propfind(parsing: $0)
            _ = try? LockInfo(parsing: $0)
        }
    }
}
