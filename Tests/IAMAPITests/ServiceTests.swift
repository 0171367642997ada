import Database
import HTTPSupport
import IAMAPI
import Identity
import Journal
import NIOCore
import NIOHTTP1
import Policy
import SigV4
import TestSupport
import Testing
import Vault
import Wire

/// The face as a whole, without a socket: signed requests in, XML out.
@Suite struct ServiceTests {
    private struct House {
        var identity: Identity
        var service: IAMService

        func ada() async throws -> Principal {
            try await identity.login(name: "ada", password: "correct horse", address: "::1")
        }

        /// Signs a form with these credentials and hands it in; the code of the error, or the name of the answer.
        func post(
            _ text: String, _ credentials: Credentials, service name: String = "sts", sent: String? = nil,
            payload: PayloadHash? = nil
        ) async throws -> String {
            let type = "application/x-www-form-urlencoded"
            let head = RequestHead(
                method: "POST", path: "/", query: QueryItems(), headers: [("Host", "h"), ("Content-Type", type)])
            let added = try Signer(credentials: credentials, region: "us-east-1", service: name)
                .sign(head, payload: payload ?? PayloadHash(of: Array(text.utf8)))
            var headers = HTTPHeaders(head.headers.map { ($0.name, $0.value) })
            for header in added { headers.add(name: header.name, value: header.value) }
            let request = Request(
                method: .POST, target: "/", headers: headers, body: RequestBody(ByteBuffer(string: sent ?? text)),
                connection: ConnectionInfo(remoteAddress: "192.0.2.7", localAddress: "h", isSecure: true), id: "1")
            #expect(IAMService.accepts(request))
            guard case .buffer(let buffer) = await service.respond(to: request).body else { return "" }
            let xml = try XMLElement(parsing: Array(buffer.readableBytesView))
            return xml["Error"]?["Code"]?.text ?? xml.name
        }
    }

    private func withHouse(_ body: (House) async throws -> Void) async throws {
        let migrations = Journal.migrations + Identity.migrations + Policies.migrations
        try await withFolder { folder in
            try await TestEngine.sqlite.withDatabase(migrations) { database in
                let journal = Journal(database: database, node: "test")
                let identity = Identity(
                    journal: journal, master: try MasterKey.open(path: folder + "/master.key", creates: true),
                    passwordCost: 16)
                try await identity.createAccount(name: "ada", kind: .person, password: "correct horse", by: "test")
                let policies = try Policies(journal: journal)
                let gate = Gate(policies: policies, journal: journal)
                let tokens = try await TokenAuthority(identity: identity, issuer: "https://node.example")
                let web = WebIdentities(identity: identity, tokens: tokens) { _, _ in [] }
                try await body(
                    House(
                        identity: identity,
                        service: IAMService(
                            policies: policies, gate: gate,
                            sessions: RoleSessions(identity: identity, gate: gate, webIdentities: web),
                            authenticator: Authenticator(identity: identity, tokens: tokens))))
            }
        }
    }

    private let who = "Action=GetCallerIdentity&Version=2011-06-15"

    @Test("a session's credentials are taken until their time is over, and only as they were given")
    func sessions() async throws {
        try await withHouse { house in
            func credentials(seconds: Int64) async throws -> Credentials {
                let key = try await house.identity.openSession(
                    of: house.ada(), name: "ada", seconds: seconds, policy: nil)
                return Credentials(accessKeyID: key.accessKeyID, secret: key.secret, sessionToken: key.token)
            }
            let good = try await credentials(seconds: 900)
            #expect(try await house.post(who, good) == "GetCallerIdentityResponse")
            #expect(try await house.post(who, credentials(seconds: 0)) == "ExpiredToken")
            var wrong = good
            wrong.sessionToken = try await credentials(seconds: 900).sessionToken
            #expect(try await house.post(who, wrong) == "InvalidClientTokenId")
            wrong.sessionToken = nil
            #expect(try await house.post(who, wrong) == "InvalidClientTokenId")
            wrong = good
            wrong.secret = String(good.secret.reversed())
            #expect(try await house.post(who, wrong) == "SignatureDoesNotMatch")
            try await house.identity.setDisabled(true, of: "ada", by: "test")
            #expect(try await house.post(who, good) == "AccessDenied")
        }
    }

    @Test("a signature covers the body and is for one service")
    func signatures() async throws {
        try await withHouse { house in
            let key = try await house.identity.createAccessKey(account: "ada", by: "test")
            let ada = Credentials(accessKeyID: key.id, secret: key.secret)
            #expect(try await house.post(who, ada) == "GetCallerIdentityResponse")
            let other = "Version=2011-06-15&Action=GetCallerIdentity"
            #expect(try await house.post(who, ada, sent: other) == "SignatureDoesNotMatch")
            #expect(try await house.post(who, ada, payload: .unsigned) == "SignatureDoesNotMatch")
            for service in ["iam", "s3"] {
                #expect(try await house.post(who, ada, service: service) == "SignatureDoesNotMatch")
            }
            let make = "Action=CreateUser&Version=2010-05-08&UserName=bob"
            #expect(try await house.post(make, ada, service: "iam") == "AccessDenied")
        }
    }
}
