import Testing

@testable import LDAPMessage

@Suite struct MessageTests {
    /// `ldapsearch -x -b dc=x '(&(objectClass=person)(|(uid=a*b*c)(!(mail=*)))(cn:dn:2.5.13.2:=X))' cn +`, with a page.
    static let filter = Filter.and([
        .equality("objectClass", Array("person".utf8)),
        .or([
            .substrings("uid", .init(initial: Array("a".utf8), any: [Array("b".utf8)], final: Array("c".utf8))),
            .not(.present("mail")), .greaterOrEqual("uidNumber", Array("5".utf8)),
            .lessOrEqual("uidNumber", Array("9".utf8)), .approximate("sn", Array("x".utf8)),
        ]),
        .extensible(.init(rule: "2.5.13.2", type: "cn", value: Array("X".utf8), includesName: true)),
    ])

    static var search: [UInt8] {
        message(0x63, controls: [PagedResults(size: 10, cookie: [1, 2]).control]) {
            $0.string("dc=x")
            $0.integer(2, tag: BER.enumerated)
            $0.integer(0, tag: BER.enumerated)
            $0.integer(5)
            $0.integer(6)
            $0.boolean(false)
            filter.write(to: &$0)
            $0.constructed {
                $0.string("cn")
                $0.string("+")
            }
        }
    }

    static func message(
        _ tag: UInt8, id: Int64 = 7, controls: [Control] = [], _ body: (inout BERWriter) -> Void
    ) -> [UInt8] {
        var writer = BERWriter()
        writer.constructed {
            $0.integer(id)
            $0.constructed(tag, body)
            guard !controls.isEmpty else { return }
            $0.constructed(0xA0) {
                for control in controls {
                    $0.constructed {
                        $0.string(control.type)
                        if control.isCritical { $0.boolean(true) }
                        if let value = control.value { $0.octets(value) }
                    }
                }
            }
        }
        return writer.bytes
    }

    @Test("a search with every kind of filter and a control is read whole")
    func searches() throws {
        let message = try LDAPMessage(Self.search[...])
        #expect(message.id == 7)
        guard case .search(let search) = message.request else { return #expect(Bool(false), "no search") }
        #expect(search.base == "dc=x")
        #expect(search.scope == .subtree)
        #expect(search.sizeLimit == 5)
        #expect(search.timeLimit == 6)
        #expect(search.filter == Self.filter)
        #expect(search.attributes == ["cn", "+"])
        let page = try PagedResults(try #require(message.controls.first).value)
        #expect(page == PagedResults(size: 10, cookie: [1, 2]))
    }

    @Test("binds: simple, and SASL by the name of its mechanism")
    func binds() throws {
        let simple = Self.message(0x60) {
            $0.integer(3)
            $0.string("uid=a")
            $0.octets(Array("secret".utf8), tag: 0x80)
        }
        #expect(
            try LDAPMessage(simple[...]).request
                == .bind(.init(version: 3, name: "uid=a", method: .simple(Array("secret".utf8)))))
        let sasl = Self.message(0x60) {
            $0.integer(3)
            $0.string("")
            $0.constructed(0xA3) { $0.string("EXTERNAL") }
        }
        #expect(
            try LDAPMessage(sasl[...]).request
                == .bind(.init(version: 3, name: "", method: .sasl(mechanism: "EXTERNAL", credentials: nil))))
    }

    @Test("a filter within a hundred others is read, one more is refused, and ten thousand cost no stack")
    func depth() throws {
        func nested(_ depth: Int) -> [UInt8] {
            var bytes: [UInt8] = [0x87, 2, 0x63, 0x6E]
            for _ in 1..<depth {
                var writer = BERWriter()
                writer.octets(bytes, tag: 0xA2)
                bytes = writer.bytes
            }
            return bytes
        }
        var fine = BERReader(nested(Filter.depthMax)[...])
        _ = try Filter(&fine)
        for depth in [Filter.depthMax + 1, 10_000] {
            let error = #expect(throws: LDAPError.self) {
                var reader = BERReader(nested(depth)[...])
                _ = try Filter(&reader)
            }
            #expect(error?.code == .protocolError)
        }
    }

    @Test("a filter of too many parts is refused with a limit, in a message that can be answered")
    func parts() throws {
        let filters = [Filter](repeating: .present("cn"), count: Filter.partsMax)
        let bytes = Self.message(0x63) {
            $0.string("")
            $0.integer(2, tag: BER.enumerated)
            $0.integer(0, tag: BER.enumerated)
            $0.integer(0)
            $0.integer(0)
            $0.boolean(false)
            Filter.or(filters).write(to: &$0)
            $0.constructed { _ in }
        }
        let error = #expect(throws: LDAPMessage.Unreadable.self) { _ = try LDAPMessage(bytes[...]) }
        #expect(error?.id == 7)
        #expect(error?.responseTag == 0x65)
        #expect(error?.error.code == .adminLimitExceeded)
    }

    @Test("an operation that nobody knows, a negative number, something behind the end: refused")
    func refused() {
        for bytes in [
            Self.message(0x7F) { _ in }, Self.message(0x42, id: -1) { _ in }, Self.message(0x42) { _ in } + [0],
            Self.message(0x42, id: Int64(Int32.max) + 1) { _ in },
        ] {
            #expect(throws: LDAPError.self) { _ = try LDAPMessage(bytes[...]) }
        }
    }

    @Test("the request for another password, with all parts and with none")
    func passwords() throws {
        var writer = BERWriter()
        writer.constructed {
            $0.string("uid=a", tag: 0x80)
            $0.string("old", tag: 0x81)
            $0.string("new", tag: 0x82)
        }
        let request = try PasswordModify(writer.bytes)
        #expect(request.user == "uid=a")
        #expect(request.old == "old")
        #expect(request.new == "new")
        #expect(try PasswordModify(nil).new == nil)
        #expect(throws: LDAPError.self) { _ = try PasswordModify([0x30, 1]) }
    }

    @Test("mutated messages are taken or refused, and what is taken has a filter that reads back as the same")
    func fuzz() throws {
        var chance = Chance(state: 0x9E37_79B9_7F4A_7C15)
        func below(_ bound: Int) -> Int { chance.below(bound) }
        let password = Self.message(0x77) {
            $0.string(PasswordModify.oid, tag: 0x80)
            $0.octets([0x30, 3, 0x80, 1, 0x61], tag: 0x81)
        }
        let seeds = [
            Self.search, password,
            Self.message(0x60) {
                $0.integer(3)
                $0.string("uid=a,dc=x")
                $0.octets([1, 2, 3], tag: 0x80)
            },
            Self.message(0x6E) {
                $0.string("cn=x")
                $0.constructed {
                    $0.string("member")
                    $0.string("uid=a")
                }
            },
        ]
        var taken = 0
        for round in 0..<20_000 {
            var bytes = seeds[round % seeds.count]
            for _ in 0...below(3) {
                let place = below(bytes.count)
                let length = min(below(24), bytes.count - place)
                switch below(5) {
                case 0: bytes[place] = UInt8(below(256))
                case 1: bytes.removeSubrange(place..<(place + length))
                case 2: bytes.insert(contentsOf: bytes[place..<(place + length)], at: below(bytes.count))
                case 3: bytes[place] = bytes[place] ^ (1 << UInt8(below(8)))
                default: bytes.swapAt(place, below(bytes.count))
                }
                if bytes.isEmpty { bytes = seeds[0] }
            }
            guard let message = try? LDAPMessage(bytes[...]) else { continue }
            taken += 1
            switch message.request {
            case .search(let search):
                var writer = BERWriter()
                search.filter.write(to: &writer)
                var reader = BERReader(writer.bytes[...])
                #expect(try Filter(&reader) == search.filter, "round \(round)")
                _ = try? DistinguishedName(search.base)
            case .extended(let request): _ = try? PasswordModify(request.value)
            default: break
            }
            for control in message.controls { _ = try? PagedResults(control.value) }
        }
        #expect(taken > 1000)
    }
}

@Suite struct DistinguishedNameTests {
    @Test(
        "names are read in the forms that clients write",
        arguments: [
            ("uid=ada,ou=people,dc=example,dc=org", "uid=ada,ou=people,dc=example,dc=org"),
            (" UID = ada , OU=people;dc=x ", "uid=ada,ou=people,dc=x"), ("", ""),
            ("cn=a\\,b\\2C\\C3\\A4\\ ,dc=x", "cn=a\\,b\\,ä\\ ,dc=x"), ("oid.2.5.4.3=\\#x", "2.5.4.3=\\#x"),
            ("cn=,dc=x", "cn=,dc=x"),
        ])
    func read(text: String, expected: String) throws {
        let name = try DistinguishedName(text)
        #expect(name.text == expected)
        #expect(try DistinguishedName(name.text) == name)
    }

    @Test(
        "what is none is refused",
        arguments: ["ada", "=a", "uid=a,", "uid=\"a\"", "uid=a\\", "u_d=a", "uid=\\FF", ",", "uid=a,,dc=x"])
    func refused(text: String) {
        let error = #expect(throws: LDAPError.self) { _ = try DistinguishedName(text) }
        #expect(error?.code == .invalidDNSyntax)
    }

    @Test("mutated names are taken or refused, and what is taken reads back as the same")
    func fuzz() throws {
        var chance = Chance(state: 88_172_645_463_325_252)
        func below(_ bound: Int) -> Int { chance.below(bound) }
        let seed = Array("uid=a\\,b\\C3\\A4 ,ou=people,dc=x".utf8)
        for _ in 0..<20_000 {
            var bytes = seed
            for _ in 0...below(3) { bytes[below(bytes.count)] = UInt8(below(128)) }
            guard let name = try? DistinguishedName(String(decoding: bytes, as: UTF8.self)) else { continue }
            #expect(try DistinguishedName(name.text) == name, "\(name.text)")
        }
    }
}

/// xorshift64: the same numbers in every run.
private struct Chance {
    var state: UInt64

    mutating func below(_ bound: Int) -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Int(state % UInt64(bound))
    }
}
