import IAMPolicy
import TestSupport
import Testing

struct PatternTests {
    @Test(
        "wildcards in resources",
        arguments: [
            ("*", "anything", true), ("*", "", true), ("a", "a", true), ("a", "A", false), ("a*", "a", true),
            ("a*c", "abbbc", true), ("a*c", "abbbcd", false), ("*a*", "bab", true), ("**", "x", true), ("?", "x", true),
            ("?", "", false), ("?", "xy", false), ("?", "\u{00FC}", true), ("??", "\u{6C34}", false),
            ("a?c", "a\u{1F426}c", true), ("*?", "\u{00FC}", true), ("*??", "\u{00FC}", false), ("?*?", "ab", true),
            ("*abc", "ababc", true), ("*ab?b*", "xxabab", true), ("a/*/c", "a/b/b/c", true), ("a/*", "a/", true),
            ("a.b", "axb", false), ("[a]", "a", false), ("a*b*c*d", "a--b--c--d", true),
            ("a*b*c*d", "a--b--d--c", false),
        ])
    func wildcards(pattern: String, text: String, expected: Bool) throws {
        let document = try policy(#""Action":"*","Resource":"\#(pattern)""#)
        #expect(allows(document, request("s3:GetObject", text)) == expected)
    }

    @Test(
        "wildcards in actions, in any case",
        arguments: [
            ("s3:*", "s3:GetObject", true), ("S3:getobject", "s3:GetObject", true),
            ("s3:Get*", "S3:GETOBJECTACL", true),
            ("s3:Get?bject", "s3:getObject", true), ("s3:Put*", "s3:GetObject", false),
            ("*:GetObject", "s3:GetObject", true),
            ("s3:GetObject", "s3:GetObjectAcl", false),
        ])
    func actions(pattern: String, action: String, expected: Bool) throws {
        let document = try policy(#""Action":["x:y","\#(pattern)"],"Resource":"*""#)
        #expect(allows(document, request(action)) == expected)
        let others = try policy(#""NotAction":["x:y","\#(pattern)"],"Resource":"*""#)
        #expect(allows(others, request(action)) == !expected)
    }

    @Test("patterns agree with a plain recursive matcher on random texts")
    func agreesWithModel() throws {
        func model(_ p: ArraySlice<Character>, _ t: ArraySlice<Character>) -> Bool {
            guard let first = p.first else { return t.isEmpty }
            if first == "*" { return model(p.dropFirst(), t) || (!t.isEmpty && model(p, t.dropFirst())) }
            guard let c = t.first, first == "?" || first == c else { return false }
            return model(p.dropFirst(), t.dropFirst())
        }
        var random = SeededGenerator(seed: 3)
        var matched = 0
        for _ in 0..<3000 {
            let pattern = (0..<Int.random(in: 1...7, using: &random)).compactMap { _ in
                "ab*?ü".randomElement(using: &random)
            }
            let text = (0..<Int.random(in: 0...7, using: &random)).compactMap { _ in "abü".randomElement(using: &random)
            }
            let expected = model(pattern[...], text[...])
            if expected { matched += 1 }
            // With a variable in it, the same pattern takes the other way through the matcher.
            for written in [String(pattern), "${v}" + String(pattern)] {
                let document = try policy(#""Action":"*","Resource":"\#(written)""#)
                let prefix = written.hasPrefix("$") ? "V*" : ""
                #expect(
                    allows(document, request("s3:x", prefix + String(text), context: ["v": ["V*"]])) == expected,
                    "\(written) on \(String(text))")
            }
        }
        #expect(matched > 100)
    }

    @Test("a pattern made to take exponential time does not", .timeLimit(.minutes(1)))
    func evil() throws {
        let text = String(repeating: "a", count: 1000)
        let stars = String(repeating: "a*", count: 500) + "b"
        #expect(!allows(try policy(#""Action":"*","Resource":"\#(stars)""#), request("s3:x", text)))
        let variables = String(repeating: "*${jwt:groups}", count: 20) + "b"
        let groups = (1...10).map { String(repeating: "a", count: $0) }
        let document = try policy(#""Action":"*","Resource":"\#(variables)""#)
        #expect(!allows(document, request("s3:x", text, context: ["jwt:groups": groups])))
        #expect(allows(document, request("s3:x", text + "b", context: ["jwt:groups": groups])))
    }

    @Test(
        "variables stand for the context's values",
        arguments: [
            ("home/${aws:username}/*", "home/ada/x", true), ("home/${aws:username}/*", "home/bob/x", false),
            ("home/${AWS:UserName}/*", "home/ada/x", true), ("g/${jwt:groups}/*", "g/eo/x", true),
            ("g/${jwt:groups}/*", "g/ops/x", true), ("g/${jwt:groups}/*", "g/hr/x", false),
            ("${jwt:groups}-${jwt:groups}", "eo-ops", true), ("${aws:username}", "ada", true),
            ("x/${tricky}", "x/anything", false), ("x/${tricky}", "x/*", true), ("x/${missing}", "x/", false),
            ("x/${missing}", "x/${missing}", false), ("x/${missing, 'pub'}", "x/pub", true),
            ("x/${aws:username, 'pub'}", "x/pub", false), ("x/${aws:username,'pub'}", "x/ada", true),
            ("x/${missing, 'a}b'}", "x/a}b", true), ("x/${missing, ''}", "x/", true), ("${*}", "*", true),
            ("${*}", "a", false), ("${?}", "?", true), ("${?}", "a", false),
            ("${$}{aws:username}", "${aws:username}", true),
            ("$aws", "$aws", true), ("a${empty}b", "ab", true),
        ])
    func variables(pattern: String, text: String, expected: Bool) throws {
        let context = [
            "aws:username": ["ada"], "jwt:groups": ["eo", "ops"], "tricky": ["*"], "missing": [], "empty": [""],
        ]
        let document = try policy(#""Action":"*","Resource":"\#(pattern)""#)
        #expect(allows(document, request("s3:x", text, context: context)) == expected)
    }

    @Test("a variable without a value never opens anything")
    func unknown() throws {
        let resource = #""Action":"*","NotResource":"private/${aws:username}""#
        #expect(!allows(try policy(resource), request()))
        #expect(allows(try policy(resource), request(context: ["aws:username": ["ada"]])))
        let condition = #""Action":"*","Resource":"*","Condition":{"StringNotEquals":{"owner":"${aws:username}"}}"#
        #expect(!allows(try policy(condition), request(context: ["owner": ["bob"]])))
        let everything = try policy(#""Action":"*","Resource":"*""#)
        for elements in [resource, condition] {
            let deny = try policy(elements, effect: "Deny")
            let decision = request(context: ["owner": ["bob"]]).evaluate([("all", everything), ("deny", deny)])
            #expect(!decision.isAllowed)
        }
    }

    @Test(
        "broken variables are refused",
        arguments: ["${", "x${aws:username", "${}", "${a b}", "${a, b}", "${a, 'b}", "${ , 'x'}", "${${a}}", "${a*}"])
    func broken(_ text: String) {
        let error = refusal(
            #"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"\#(text)"}}"#)
        #expect(error?.code == .invalidElement)
        #expect(error?.message.contains("statement 1, element Resource") == true)
    }
}
