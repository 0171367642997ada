import IAMPolicy
import Testing

struct DecisionTests {
    static func document(_ statements: String, kind: PolicyKind = .identity) throws -> PolicyDocument {
        try PolicyDocument(parsing: #"{"Version":"2012-10-17","Statement":[\#(statements)]}"#, kind: kind)
    }

    static let read = #"{"Sid":"Read","Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::eo/*"}"#
    static let denySecret = #"{"Effect":"Deny","Action":"*","Resource":"arn:aws:s3:::eo/secret/*"}"#

    @Test("without any policy everything is denied")
    func nothing() {
        let decision = request().evaluate([])
        #expect(decision.reason == .noMatchingAllow)
        #expect(decision.description == "Denied because no statement allows it.")
    }

    @Test("the statement that allows is named")
    func allowed() throws {
        let policies = [("empty-handed", try Self.document(Self.denySecret)), ("reader", try Self.document(Self.read))]
        let decision = request().evaluate(policies)
        #expect(decision.isAllowed)
        #expect(decision.description == #"Allowed by statement 1 ("Read") of policy "reader"."#)
    }

    @Test("an explicit deny wins wherever it stands")
    func deny() throws {
        let policies = [
            ("reader", try Self.document(Self.read)), ("guard", try Self.document(Self.read + "," + Self.denySecret)),
        ]
        for order in [policies, policies.reversed()] {
            let decision = request("s3:GetObject", "arn:aws:s3:::eo/secret/x").evaluate(order)
            #expect(decision.description == #"Denied by statement 2 of policy "guard"."#)
        }
    }

    @Test("a resource's policy grants by itself, and denies too")
    func resource() throws {
        let open = try Self.document(
            #"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::eo/*"}"#,
            kind: .resource)
        #expect(request(principal: "").evaluate([("bucket", open)]).isAllowed)
        let closed = try Self.document(
            #"{"Effect":"Deny","NotPrincipal":{"AWS":"arn:aws:iam::martlet:user/bob"},"Action":"*","Resource":"*"}"#,
            kind: .resource)
        let decision = request().evaluate([("reader", try Self.document(Self.read)), ("bucket", closed)])
        #expect(!decision.isAllowed)
    }

    @Test("every boundary has to allow, and none grants")
    func boundary() throws {
        let reader = ("reader", try Self.document(Self.read))
        let wide = ("wide", try Self.document(#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#, kind: .boundary))
        let narrow = (
            "narrow", try Self.document(#"{"Effect":"Allow","Action":"s3:List*","Resource":"*"}"#, kind: .boundary)
        )
        #expect(request().evaluate([wide]).reason == .noMatchingAllow)
        #expect(request().evaluate([reader, wide]).isAllowed)
        #expect(request().evaluate([wide, reader]).isAllowed)
        for order in [[reader, wide, narrow], [narrow, wide, reader]] {
            let decision = request().evaluate(order)
            #expect(decision.reason == .boundary(policy: "narrow"))
            #expect(decision.description == #"Denied because the boundary "narrow" does not allow it."#)
        }
        let denying = ("stop", try Self.document(Self.denySecret, kind: .boundary))
        let decision = request("s3:GetObject", "arn:aws:s3:::eo/secret/x").evaluate([reader, wide, denying])
        #expect(decision.description == #"Denied by statement 1 of policy "stop"."#)
    }
}
