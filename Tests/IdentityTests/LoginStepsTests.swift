import Crypto
import Database
import Identity
import Journal
import TestSupport
import Testing
import Vault
import WebAuthn
import Wire

@Suite struct LoginStepsTests {
    private func withIdentity(_ engine: TestEngine, _ body: (Identity) async throws -> Void) async throws {
        try await withFolder { folder in
            try await engine.withDatabase(Journal.migrations + Identity.migrations) { database in
                let master = try MasterKey.open(path: folder + "/master.key", creates: true)
                let identity = Identity(
                    journal: Journal(database: database, node: "test"), master: master, passwordCost: 16)
                try await identity.createAccount(
                    name: "ada", kind: .person, password: "a long pass phrase", by: "test")
                try await body(identity)
            }
        }
    }

    private func begin(_ identity: Identity) async throws -> LoginStep {
        try await identity.beginLogin(name: "ada", password: "a long pass phrase", address: "192.0.2.1")
    }

    /// The code of a secret in base32, `steps` from now.
    private func code(_ secret: String, _ steps: Int64 = 0) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
        var (bytes, bits, count) = ([UInt8](), 0, 0)
        for letter in secret {
            bits = bits << 5 | (alphabet.firstIndex(of: letter) ?? 0)
            count += 5
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> count))
            }
        }
        return Identity.code(secret: bytes, step: Timestamp.now.seconds / 30 + steps)
    }

    @Test("codes are those of RFC 4226", arguments: [(0, "755224"), (1, "287082"), (9, "520489")])
    func vectors(step: Int64, expected: String) {
        #expect(Identity.code(secret: Array("12345678901234567890".utf8), step: step) == expected)
    }

    @Test("a code is asked for once it was set up, and counts once", arguments: TestEngine.allCases)
    func codes(engine: TestEngine) async throws {
        try await withIdentity(engine) { identity in
            guard case .done(_, [.pwd], nil) = try await begin(identity) else { throw Unexpected() }
            let secret = try await identity.prepareOneTimePassword(of: "ada")
            // Nothing changes until the app has shown that it works.
            guard case .done = try await begin(identity) else { throw Unexpected() }
            await #expect(throws: IdentityError.self) {
                try await identity.confirmOneTimePassword("000000", of: "ada", by: "ada")
            }
            let used = code(secret, -1)
            let backup = try await identity.confirmOneTimePassword(used, of: "ada", by: "ada")
            #expect(backup.count == 10 && Set(backup).count == 10)
            guard case .second(let ticket, _) = try await begin(identity) else { throw Unexpected() }
            await #expect(throws: IdentityError.self) {
                try await identity.continueLogin(ticket: ticket, code: used, address: "192.0.2.1")
            }
            guard
                case .done(let principal, let factors, nil) = try await identity.continueLogin(
                    ticket: ticket, code: code(secret), address: "192.0.2.1")
            else { throw Unexpected() }
            #expect(principal.name == "ada" && factors == [.pwd, .otp, .mfa])
            await #expect(throws: IdentityError.self, "a ticket counts once") {
                try await identity.continueLogin(ticket: ticket, code: code(secret, 1), address: "192.0.2.1")
            }
            guard case .second(let second, _) = try await begin(identity) else { throw Unexpected() }
            guard
                case .done = try await identity.continueLogin(
                    ticket: second, code: backup[3].uppercased(), address: "192.0.2.1")
            else { throw Unexpected() }
            guard case .second(let third, _) = try await begin(identity) else { throw Unexpected() }
            await #expect(throws: IdentityError.self, "a backup code counts once") {
                try await identity.continueLogin(ticket: third, code: backup[3], address: "192.0.2.1")
            }
            #expect(try await identity.secondFactor(of: "ada").backupCodes == 9)
            // Programs use app passwords from now on.
            let refusal = await #expect(throws: IdentityError.self) {
                try await identity.basicLogin(name: "ada", password: "a long pass phrase", address: "192.0.2.1")
            }
            #expect(refusal?.code == .codeNeeded)
            try await identity.removeOneTimePassword(of: "ada", by: "admin")
            guard case .done = try await begin(identity) else { throw Unexpected() }
        }
    }

    @Test("codes cannot be guessed between right passwords")
    func guessing() async throws {
        try await withIdentity(.sqlite) { identity in
            let secret = try await identity.prepareOneTimePassword(of: "ada")
            _ = try await identity.confirmOneTimePassword(code(secret, -1), of: "ada", by: "ada")
            var refusals: [IdentityError.Code] = []
            for _ in 0..<8 {
                do {
                    guard case .second(let ticket, _) = try await begin(identity) else { throw Unexpected() }
                    _ = try await identity.continueLogin(ticket: ticket, code: "000000", address: "192.0.2.1")
                } catch let error as IdentityError { refusals.append(error.code) }
            }
            #expect(refusals.count == 8 && refusals.last == .rateLimited)
        }
    }

    @Test("a passkey logs in, and an answer counts once", arguments: TestEngine.allCases)
    func passkeys(engine: TestEngine) async throws {
        try await withIdentity(engine) { identity in
            let party = try #require(RelyingParty(address: "http://localhost:8080"))
            let key = P256.Signing.PrivateKey()
            let request = try await identity.passkeyRequest(of: "ada")
            #expect(request.user.count == 16 && request.known.isEmpty)
            func clientData(_ type: String, _ challenge: [UInt8]) -> [UInt8] {
                Array(
                    #"{"type":"\#(type)","challenge":"\#(Base64.encodeURL(challenge))","origin":"\#(party.origin)"}"#
                        .utf8)
            }
            func data(_ count: UInt8, _ credential: [UInt8] = []) -> [UInt8] {
                Array(SHA256.hash(data: Array(party.id.utf8))) + [credential.isEmpty ? 0x05 : 0x45, 0, 0, 0, count]
                    + credential
            }
            let point = Array(key.publicKey.rawRepresentation)
            let credential =
                [UInt8](repeating: 0, count: 16) + [0, 4, 1, 2, 3, 4]
                + [0xA5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20] + point.prefix(32) + [0x22, 0x58, 0x20]
                + point.suffix(32)
            let made = data(1, credential)
            let attestation =
                [0xA3, 0x63] + Array("fmt".utf8) + [0x64] + Array("none".utf8) + [0x67] + Array("attStmt".utf8)
                + [0xA0, 0x68] + Array("authData".utf8) + [0x58, UInt8(made.count)] + made
            func register(_ challenge: [UInt8]) throws -> Registration {
                try Registration(
                    clientData: clientData("webauthn.create", challenge), attestation: attestation, by: party)
            }
            let foreign = try await identity.challenge(account: nil)
            await #expect(throws: IdentityError.self, "a challenge is for one account") {
                try await identity.addPasskey(register(foreign), description: "", to: "ada", by: "ada")
            }
            try await identity.addPasskey(register(request.challenge), description: "Phone", to: "ada", by: "ada")
            await #expect(throws: IdentityError.self, "a challenge counts once") {
                try await identity.addPasskey(register(request.challenge), description: "", to: "ada", by: "ada")
            }

            func answer(_ challenge: [UInt8], _ count: UInt8) throws -> Assertion {
                let client = clientData("webauthn.get", challenge)
                let signed = data(count) + Array(SHA256.hash(data: client))
                return try Assertion(
                    clientData: client, authenticatorData: data(count),
                    signature: Array(try key.signature(for: signed).derRepresentation), by: party)
            }
            func logIn(_ assertion: Assertion, user: [UInt8]? = nil) async throws -> LoginStep {
                try await identity.login(
                    PasskeyAnswer(credential: [1, 2, 3, 4], user: user ?? request.user, assertion: assertion),
                    address: "192.0.2.1")
            }
            let challenge = try await identity.challenge(account: nil)
            guard case .done(let principal, [.hwk, .user, .mfa], nil) = try await logIn(answer(challenge, 2)) else {
                throw Unexpected()
            }
            #expect(principal.name == "ada")
            await #expect(throws: IdentityError.self) { try await logIn(answer(challenge, 3)) }
            let next = try await identity.challenge(account: nil)
            await #expect(throws: IdentityError.self, "a count that does not rise is a copy's") {
                try await logIn(answer(next, 2))
            }
            await #expect(throws: IdentityError.self) { try await logIn(answer(next, 4), user: [1]) }
            await #expect(throws: IdentityError.self) { try await logIn(answer(next, 4), user: []) }
            #expect(try await identity.passkeys(of: "ada").map(\.description) == ["Phone"])
            // As the second step, after the password.
            #expect(try await identity.requirePasskey(of: "ada", by: "ada").count == 10)
            guard case .second(let ticket, let step) = try await begin(identity) else { throw Unexpected() }
            #expect(!step.hasApp && step.hasBackupCodes && step.passkeys == [[1, 2, 3, 4]])
            func prove(_ assertion: Assertion, user: [UInt8]) async throws -> LoginStep {
                try await identity.continueLogin(
                    ticket: ticket,
                    passkey: PasskeyAnswer(credential: [1, 2, 3, 4], user: user, assertion: assertion),
                    address: "192.0.2.1")
            }
            await #expect(throws: IdentityError.self, "a challenge of before the password is for nobody") {
                try await prove(answer(next, 6), user: request.user)
            }
            await #expect(throws: IdentityError.self) { try await prove(answer(step.challenge, 6), user: [1]) }
            guard case .done(_, [.pwd, .hwk, .user, .mfa], nil) = try await prove(answer(step.challenge, 6), user: [])
            else { throw Unexpected() }
            let again = try await identity.challenge(account: principal.accountID)
            await #expect(throws: IdentityError.self, "a ticket counts once") {
                try await prove(answer(again, 7), user: [])
            }
            let id = try await identity.passkeys(of: "ada")[0].id
            let refusal = await #expect(throws: IdentityError.self) {
                try await identity.removePasskey(id, of: "ada", by: "ada")
            }
            #expect(refusal?.code == .conflict)
            try await identity.waivePasskey(of: "ada", by: "ada")
            #expect(try await identity.secondFactor(of: "ada").backupCodes == 0)
            guard case .done(_, [.pwd], nil) = try await begin(identity) else { throw Unexpected() }
            let strong = try await identity.beginLogin(
                name: "ada", password: "a long pass phrase", isStrong: true, address: "192.0.2.1")
            guard case .second = strong else { throw Unexpected() }
            try await identity.removePasskey(id, of: "ada", by: "ada")
            await #expect(throws: IdentityError.self) { try await logIn(answer(next, 5)) }
        }
    }

    @Test("who has not signed the policy can do nothing but sign it", arguments: TestEngine.allCases)
    func agreement(engine: TestEngine) async throws {
        try await withIdentity(engine) { identity in
            try await identity.createAccount(name: "job", kind: .service, password: "a long pass phrase", by: "test")
            let key = try await identity.createAccessKey(account: "ada", by: "test").id
            #expect(try await identity.publishUsePolicy("Be kind.", renewDays: 365, by: "test") == 1)
            guard case .agreement(let ticket, let policy) = try await begin(identity) else { throw Unexpected() }
            #expect(policy.version == 1 && policy.text == "Be kind.")
            for attempt in [
                { _ = try await identity.login(name: "ada", password: "a long pass phrase", address: "192.0.2.1") },
                {
                    _ = try await identity.basicLogin(name: "ada", password: "a long pass phrase", address: "192.0.2.1")
                },
                { _ = try await identity.signingSecret(accessKey: key) },
            ] {
                let refusal = await #expect(throws: IdentityError.self) { try await attempt() }
                #expect(refusal?.code == .agreementNeeded)
            }
            _ = try await identity.login(name: "job", password: "a long pass phrase", address: "192.0.2.1")
            await #expect(throws: IdentityError.self) {
                try await identity.continueLogin(ticket: ticket, signing: 2, address: "192.0.2.1")
            }
            guard
                case .done = try await identity.continueLogin(ticket: ticket, signing: 1, address: "192.0.2.1")
            else { throw Unexpected() }
            _ = try await identity.signingSecret(accessKey: key)
            #expect(try await identity.publishUsePolicy("Be kinder.", renewDays: 0, by: "ada") == 2)
            guard case .done = try await begin(identity) else { throw Unexpected() }
            #expect(try await identity.signature(of: "ada")?.version == 2)
        }
    }

    private struct Unexpected: Error {}
}
