import IAMPolicy
import TestSupport
import Testing

@Suite struct ProductTestTests {
    private func test(_ documents: (String, PolicyKind)..., action: String = "stac:Search") throws -> ProductTest {
        let policies = try documents.enumerated().map { index, document in
            (name: "p\(index)", document: try PolicyDocument(parsing: document.0, kind: document.1))
        }
        let request = PolicyRequest(
            principal: "arn:aws:iam::martlet:user/ada", action: action, resource: "arn:martlet:stac:::eo",
            context: ["aws:SourceIp": ["192.0.2.7"]])
        return request.productTests(policies, of: ["arn:martlet:stac:::eo"])[0]
    }

    @Test("each of many collections is decided on as if it alone was asked for")
    func many() throws {
        let documents = [
            policy(
                #"{"Effect": "Allow", "Action": "stac:*", "Resource": ["arn:martlet:stac:::s?-*", "arn:martlet:stac:::eo"]}"#,
                #"{"Effect": "Deny", "Action": "stac:Search", "Resource": "arn:martlet:stac:::*-secret"}"#),
            policy(#"{"Effect": "Allow", "Action": "stac:Get*", "Resource": "*"}"#),
            policy(#"{"Effect": "Deny", "Action": "*", "NotResource": "arn:martlet:stac:::*e*"}"#),
        ]
        let policies = try documents.map { (name: "p", document: try PolicyDocument(parsing: $0)) }
        let names = ["eo", "s1-l1", "s2-secret", "s2-lake", "other", "sea-e"]
        func request(_ name: String) -> PolicyRequest {
            PolicyRequest(principal: "x", action: "stac:Search", resource: "arn:martlet:stac:::\(name)")
        }
        let tests = request("none").productTests(policies, of: names.map { "arn:martlet:stac:::\($0)" })
        #expect(zip(names, tests).filter { $0.1.isAlways }.map(\.0) == ["eo", "s2-lake"])
        #expect(tests.allSatisfy { $0.isAlways != $0.isNever })
        for (name, test) in zip(names, tests) {
            #expect(test.isAlways == request(name).evaluate(policies).isAllowed, "\(name)")
        }
    }

    private func policy(_ statements: String...) -> String {
        #"{"Version": "2012-10-17", "Statement": [\#(statements.joined(separator: ", "))]}"#
    }

    private func statement(_ effect: String, _ condition: String = "", action: String = "stac:*") -> String {
        let condition = condition.isEmpty ? "" : #", "Condition": {\#(condition)}"#
        return #"{"Effect": "\#(effect)", "Action": "\#(action)", "Resource": "*"\#(condition)}"#
    }

    private func holds(_ test: ProductTest, _ properties: [String: [String]]) -> Bool {
        test.holds { properties[$0] ?? [] }
    }

    @Test("what does not ask for a product is decided at once")
    func plain() throws {
        #expect(try test((policy(statement("Allow")), .identity)).isAlways)
        #expect(try test((policy(statement("Allow", action: "s3:*")), .identity)).isNever)
        #expect(try test((policy(statement("Allow"), statement("Deny")), .identity)).isNever)
        #expect(
            try test((policy(statement("Allow", #""IpAddress": {"aws:SourceIp": "10.0.0.0/8"}"#)), .identity)).isNever)
    }

    @Test("numbers and names of properties; a missing one never allows")
    func properties() throws {
        let open = try test(
            (
                policy(
                    statement(
                        "Allow",
                        #""NumericLessThan": {"martlet:Product/eo:cloud_cover": "20"}, "StringLike": {"martlet:Product/Platform": "sentinel-2?"}"#
                    )), .identity
            ))
        #expect(!open.isAlways && !open.isNever)
        #expect(holds(open, ["eo:cloud_cover": ["12.5"], "platform": ["sentinel-2a"]]))
        #expect(!holds(open, ["eo:cloud_cover": ["20"], "platform": ["sentinel-2a"]]))
        #expect(!holds(open, ["eo:cloud_cover": ["12.5"], "platform": ["landsat-9"]]))
        #expect(!holds(open, ["platform": ["sentinel-2a"]]))
        #expect(!holds(open, [:]))
    }

    @Test("a denial and a boundary take away what is allowed")
    func denial() throws {
        let hidden = statement("Deny", #""StringEquals": {"martlet:Product/access": "restricted"}"#)
        let denied = try test((policy(statement("Allow"), hidden), .identity))
        #expect(holds(denied, ["access": ["open"]]) && holds(denied, [:]))
        #expect(!holds(denied, ["access": ["restricted"]]) && !holds(denied, ["access": ["open", "restricted"]]))
        let bound = try test(
            (policy(statement("Allow")), .identity),
            (policy(statement("Allow", #""NumericLessThan": {"martlet:Product/gsd": "30"}"#)), .boundary))
        #expect(holds(bound, ["gsd": ["10"]]) && !holds(bound, ["gsd": ["60"]]) && !holds(bound, [:]))
    }

    @Test("the test agrees with the decision that knows the product", arguments: 0..<200)
    func agreement(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        let conditions = [
            "", #""NumericLessThan": {"martlet:Product/n": "3"}"#,
            #""NumericGreaterThanEquals": {"martlet:Product/n": "2"}"#,
            #""StringEquals": {"martlet:Product/s": ["a", "b"]}"#, #""StringNotEquals": {"martlet:Product/s": "a"}"#,
            #""StringEqualsIfExists": {"martlet:Product/s": "b"}"#, #""Null": {"martlet:Product/s": "true"}"#,
            #""ForAllValues:StringEquals": {"martlet:Product/s": ["a"]}"#,
            #""StringNotEquals": {"martlet:Product/s": "${jwt:absent}"}"#,
        ]
        func document() -> String {
            let statements = (0..<Int.random(in: 1...3, using: &random)).map { _ in
                statement(
                    Bool.random(using: &random) ? "Allow" : "Deny", conditions.randomElement(using: &random) ?? "")
            }
            return policy(statements.joined(separator: ", "))
        }
        let kinds: [PolicyKind] = [.identity, .identity, .boundary]
        let documents = kinds.map { (document(), $0) }
        let policies = try documents.map { (name: "p", document: try PolicyDocument(parsing: $0.0, kind: $0.1)) }
        for numbers in [[], ["1"], ["2"], ["5", "1"]] {
            for texts in [[], ["a"], ["b"], ["a", "c"]] {
                let known = PolicyRequest(
                    principal: "x", action: "stac:Search", resource: "arn:martlet:stac:::eo",
                    context: ["martlet:Product/n": numbers, "martlet:Product/s": texts])
                let unknown = PolicyRequest(principal: "x", action: "stac:Search", resource: "arn:martlet:stac:::eo")
                let test = unknown.productTests(policies, of: ["arn:martlet:stac:::eo"])[0]
                #expect(
                    holds(test, ["n": numbers, "s": texts]) == known.evaluate(policies).isAllowed,
                    "\(documents) n=\(numbers) s=\(texts)")
            }
        }
    }
}
