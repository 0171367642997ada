import IAMPolicy
import TestSupport
import Testing

struct PolicyDocumentTests {
    static let statement = #"{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}"#

    @Test("one statement and a list of them are both accepted")
    func accepted() throws {
        for text in [
            #"{"Statement":\#(Self.statement)}"#,
            #"{"Version":"2008-10-17","Id":"x","Statement":[\#(Self.statement)]}"#,
            #"{"Statement":[\#(Self.statement),\#(Self.statement)]}"#,
        ] {
            #expect(refusal(text) == nil)
        }
        #expect(try PolicyDocument(parsing: #"{"Id":"x","Statement":\#(Self.statement)}"#).id == "x")
    }

    @Test(
        "malformed documents are refused, and the message says where",
        arguments: [
            ("", "not valid JSON"), ("[]", "must be a JSON object"), ("{}", "needs a Statement"),
            (#"{"Statement":[]}"#, "needs a Statement"), (#"{"Statement":[1]}"#, "statement 1 must be"),
            (#"{"Version":"2020-01-01","Statement":\#(statement)}"#, "Version"),
            (#"{"Statement":\#(statement),"Extra":1}"#, "Extra"),
            (#"{"Statement":\#(statement),"Statement":\#(statement)}"#, "comes twice"),
            (
                #"{"Statement":[\#(statement),{"Sid":"Two","Effect":"Allow","Resource":"*"}]}"#,
                #"statement 2 ("Two") needs an Action"#
            ),
            (#"{"Statement":{"Effect":"allow","Action":"*","Resource":"*"}}"#, "Allow or Deny"),
            (#"{"Statement":{"Action":"*","Resource":"*"}}"#, "needs an Effect"),
            (#"{"Statement":{"Effect":"Allow","Action":"*"}}"#, "needs a Resource"),
            (#"{"Statement":{"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"}}"#, "opposite"),
            (#"{"Statement":{"Effect":"Allow","Effect":"Deny","Action":"*","Resource":"*"}}"#, "Effect comes twice"),
            (#"{"Statement":{"Effect":"Allow","Action":[],"Resource":"*"}}"#, "empty list"),
            (#"{"Statement":{"Effect":"Allow","Action":"GetObject","Resource":"*"}}"#, "s3:GetObject"),
            (#"{"Statement":{"Effect":"Allow","Action":[1],"Resource":"*"}}"#, "element Action"),
            (#"{"Statement":{"Effect":"Allow","Action":"*","Resource":""}}"#, "element Resource"),
            (#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Principal":"*"}}"#, "Principal"),
            (#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Other":1}}"#, #"no element "Other""#),
            (#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"a/${aws:username}"}}"#, "2012-10-17"),
        ])
    func refused(text: String, part: String) {
        let message = refusal(text)?.message
        #expect(message?.contains(part) == true, "\(message ?? "accepted")")
    }

    @Test("a document that is too large, or has too many statements or variables, is refused")
    func limits() {
        #expect(refusal(#"{"Statement":\#(Self.statement)}"# + String(repeating: " ", count: 20480))?.code == .tooLarge)
        let short = #"{"Effect":"Deny","Action":"*","Resource":"*"}"#
        func list(_ count: Int) -> String {
            #"{"Statement":[\#(Array(repeating: short, count: count).joined(separator: ","))]}"#
        }
        #expect(refusal(list(200)) == nil)
        #expect(refusal(list(201))?.code == .tooLarge)
        let many = String(repeating: "${a}", count: 65)
        let text = #"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"\#(many)"}}"#
        #expect(refusal(text)?.code == .tooLarge)
        #expect(refusal(String(repeating: "[", count: 20000))?.code == .notJSON)
    }

    @Test(
        "principals of a resource's policy",
        arguments: [
            (#""Principal":"*""#, true), (#""Principal":{"AWS":"*"}"#, true),
            (#""Principal":{"AWS":["arn:aws:iam::martlet:user/bob","arn:aws:iam::martlet:user/ada"]}"#, true),
            (#""Principal":{"Martlet":"arn:aws:iam::martlet:user/*"}"#, true),
            (#""Principal":{"AWS":"arn:aws:iam::martlet:user/ADA"}"#, false),
            (#""NotPrincipal":{"AWS":"arn:aws:iam::martlet:user/ada"}"#, false),
            (#""NotPrincipal":{"AWS":"arn:aws:iam::martlet:user/bob"}"#, true),
        ])
    func principals(element: String, expected: Bool) throws {
        let document = try policy(#""Action":"*","Resource":"*",\#(element)"#, kind: .resource)
        #expect(allows(document, request()) == expected)
    }

    @Test(
        "a resource's policy needs principals in their form",
        arguments: [
            "", #","Principal":"ada""#, #","Principal":{}"#, #","Principal":{"Who":"*"}"#, #","Principal":{"AWS":[]}"#,
        ])
    func malformedPrincipals(element: String) {
        let text = #"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"\#(element)}}"#
        #expect(refusal(text, kind: .resource)?.code == .invalidElement)
    }

    @Test("random changes never crash the parser, nor an evaluation of what it accepts")
    func fuzz() {
        var random = SeededGenerator(seed: 11)
        let text =
            #"{"Version":"2012-10-17","Statement":[{"Sid":"A","Effect":"Allow","Action":["s3:Get*"],"Resource":"arn:aws:s3:::${aws:username}/*?${*}","Condition":{"ForAnyValue:StringLike":{"jwt:groups":["eo-*"]},"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},"DateLessThan":{"aws:CurrentTime":"2027-01-01T00:00:00Z"}}}]}"#
        let asked = request(context: ["aws:username": ["ada"], "jwt:groups": ["eo-x"], "aws:sourceip": ["10.1.1.1"]])
        var accepted = 0
        for _ in 0..<4000 {
            var bytes = Array(text.utf8)
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: at)
                default: bytes.insert(UInt8.random(in: 0x20...0x7E, using: &random), at: at)
                }
            }
            guard let document = try? PolicyDocument(parsing: bytes) else { continue }
            accepted += 1
            _ = asked.evaluate([("p", document)])
        }
        #expect(accepted > 100)
    }
}
