import IAMPolicy
import Testing

@Suite struct TrustTests {
    private func trust(_ elements: String) throws -> PolicyDocument {
        try PolicyDocument(
            parsing: #"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",\#(elements)}]}"#, kind: .trust)
    }

    private func request(
        _ principals: [String] = [], federated: [String] = [], _ action: String = "sts:AssumeRole",
        context: [String: [String]] = [:]
    ) -> PolicyRequest {
        PolicyRequest(
            principals: principals, federated: federated, action: action, resources: ["arn:aws:iam::martlet:role/r"],
            context: context)
    }

    @Test("a trust policy has principals, actions of sts, and no resource")
    func form() throws {
        for elements in [
            #""Action":"sts:AssumeRole""#, #""Principal":"*","Action":"sts:AssumeRole","Resource":"*""#,
            #""Principal":"*","Action":"s3:GetObject""#, #""Principal":"*","Action":"*""#,
            #""Principal":"*","Action":"st*""#, #""Principal":"*","NotAction":"sts:AssumeRole""#,
            #""NotPrincipal":{"AWS":"x"},"Action":"sts:AssumeRole""#,
        ] {
            #expect(throws: PolicyError.self, "\(elements)") { _ = try trust(elements) }
        }
        _ = try trust(#""Principal":{"AWS":"arn:aws:iam::martlet:root"},"Action":["sts:AssumeRole","STS:*"]"#)
        #expect(refusal(#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}]}"#) != nil)
    }

    @Test("a provider is no account, and an account no provider, even where both are called *")
    func federation() throws {
        let issuer = try trust(#""Principal":{"Federated":"https://idp.example"},"Action":"sts:*""#)
        #expect(allows(issuer, request(federated: ["arn:x", "https://idp.example"])))
        #expect(!allows(issuer, request(["https://idp.example"])))
        #expect(!allows(issuer, request(federated: ["https://other.example"])))
        let anyAccount = try trust(#""Principal":{"AWS":"*"},"Action":"sts:*""#)
        #expect(allows(anyAccount, request(["arn:aws:iam::martlet:user/ada"])))
        #expect(!allows(anyAccount, request(federated: ["https://idp.example"])))
        let anybody = try trust(#""Principal":"*","Action":"sts:*""#)
        #expect(allows(anybody, request(["ada"])) && allows(anybody, request(federated: ["idp"])))
    }

    @Test("who has several names is meant by any of them, and left out by any of them")
    func names() throws {
        let role = try policy(
            #""Principal":{"AWS":"arn:aws:iam::martlet:role/r"},"Action":"s3:*","Resource":"*""#, kind: .resource)
        let others = try policy(
            #""NotPrincipal":{"AWS":"arn:aws:iam::martlet:role/r"},"Action":"s3:*","Resource":"*""#, kind: .resource)
        let names = ["arn:aws:sts::martlet:assumed-role/r/job", "arn:aws:iam::martlet:role/r"]
        let request = PolicyRequest(principals: names, action: "s3:GetObject", resources: ["x"])
        #expect(allows(role, request) && !allows(others, request))
        let allButOne = try policy(#""Action":"s3:*","NotResource":"b""#)
        #expect(allows(allButOne, PolicyRequest(principals: [], action: "s3:GetObject", resources: ["c"])))
        #expect(!allows(allButOne, PolicyRequest(principals: [], action: "s3:GetObject", resources: ["a", "b"])))
    }

    @Test("conditions on what an issuer says")
    func conditions() throws {
        let document = try trust(
            #"""
            "Principal":{"Federated":"idp"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{
                "StringEquals":{"idp.example/realm:sub":"job-7"},"ForAnyValue:StringLike":{"jwt:groups":"make*"}}
            """#)
        func opens(_ context: [String: [String]]) -> Bool {
            allows(document, request(federated: ["idp"], "sts:AssumeRoleWithWebIdentity", context: context))
        }
        #expect(opens(["idp.example/realm:sub": ["job-7"], "jwt:groups": ["readers", "makers"]]))
        #expect(!opens(["idp.example/realm:sub": ["job-8"], "jwt:groups": ["makers"]]))
        #expect(!opens(["idp.example/realm:sub": ["job-7"]]))
    }
}
