import Authority
import Certificates
import Identity
import Journal
import LDAPMessage
import Policy

extension LDAPService {
    /// A bind (RFC 4511 §4.2, RFC 4513 §5): nil for nobody in particular.
    ///
    /// A name that is not there takes as long as a wrong password and is answered alike.
    func login(_ bind: LDAPRequest.Bind, _ session: Session) async throws -> Login? {
        guard bind.version == 3 else { throw LDAPError(.protocolError, "this server speaks LDAP version 3") }
        let bytes: [UInt8]
        switch bind.method {
        case .simple(let password): bytes = password
        case .sasl(Self.external, let authorization): return try await login(as: authorization ?? [], session)
        case .sasl:
            throw LDAPError(
                .authMethodNotSupported, "this server takes simple binds, and EXTERNAL for a client certificate")
        }
        guard !bytes.isEmpty else {
            guard bind.name.isEmpty else {
                throw LDAPError(.unwillingToPerform, "a name without a password says nothing: give both, or neither")
            }
            return nil
        }
        guard session.isConfidential else {
            throw LDAPError(.confidentialityRequired, "a password is only taken over TLS: use StartTLS or ldaps")
        }
        guard let password = Test.text(bytes) else { throw Self.wrong }
        return .password(try await login(dn: bind.name, password: password, session))
    }

    /// The mechanism by which a client certificate counts (RFC 4422 appendix A).
    static let external = "EXTERNAL"

    /// - Parameter authorization: as whom the client wants to act: empty, or its own name.
    private func login(as authorization: [UInt8], _ session: Session) async throws -> Login {
        guard let shown = session.certificate else {
            throw LDAPError(.authMethodNotSupported, "EXTERNAL needs a client certificate on a connection with TLS")
        }
        let principal: Principal?
        do {
            principal = try await certificates?.principal(shown)
        } catch let error as IdentityError {
            throw try await refused(error.message, session)
        }
        guard let principal else {
            throw try await refused("no authority that is trusted here has issued the client certificate", session)
        }
        let name = Test.text(authorization) ?? ""
        let isOwn = name == "u:" + principal.name || name.lowercased() == "dn:" + dn(of: principal).lowercased()
        guard authorization.isEmpty || isOwn else {
            throw try await refused("the client certificate is that of another account", session)
        }
        return .certificate(shown)
    }

    /// Tells of a certificate that does not count. Of a password it is told where it is compared.
    private func refused(_ message: String, _ session: Session) async throws -> LDAPError {
        try await identity.journal.tell(
            .refusal(
                .credentialsRefused, on: "certificate", action: "ldap:Bind", reason: message, address: session.address))
        return LDAPError(.invalidCredentials, message)
    }

    private static let wrong = LDAPError(.invalidCredentials, "the name or the password is wrong")

    private func login(dn: String, password: String, _ session: Session) async throws -> StandingLogin {
        // What is no account of this branch has an '=' in it, so that it is nobody's, and is tried all the same.
        var name = String(dn.lowercased().prefix(64)) + "="
        if case .leaf(let branch, let given) = try tree.place(dn), branch != .groups, !given.isEmpty,
            let known = try await identity.directoryName(given, in: branch)
        {
            name = known
        }
        do {
            return try await identity.standingLogin(name: name, password: password, address: session.address)
        } catch let error as IdentityError where [.invalidCredentials, .disabled, .notFound].contains(error.code) {
            throw Self.wrong
        }
    }

    // MARK: Extended operations

    func extended(_ request: LDAPRequest.Extended, _ session: Session) async throws -> LDAPResult {
        switch request.name {
        case Extension.whoAmI:
            let caller = try await caller(session)
            var result = LDAPResult()
            result.value = Array(caller.principal.isAnonymous ? "".utf8 : "dn:\(dn(of: caller.principal))".utf8)
            return result
        case PasswordModify.oid: return try await changePassword(try PasswordModify(request.value), session)
        default:
            throw LDAPError(.protocolError, "there is no operation \(request.name.prefix(64)) here")
        }
    }

    func dn(of principal: Principal) -> String { tree.dn(principal.name, in: DirectoryBranch(principal.kind)) }

    /// Sets a password: one's own, by the old one or where the connection was opened with it, or somebody else's where
    /// policy says `iam:UpdateUser`.
    private func changePassword(_ request: PasswordModify, _ session: Session) async throws -> LDAPResult {
        guard session.isConfidential else {
            throw LDAPError(.confidentialityRequired, "a password is only taken over TLS: use StartTLS or ldaps")
        }
        let caller = try await caller(session)
        var target = caller.principal.isAnonymous ? nil : caller.principal.name
        if let user = request.user {
            // Some clients give a name of the directory, others that of the account.
            let place = user.hasPrefix("dn:") ? String(user.dropFirst(3)) : user
            if case .leaf(let branch, let name)? = try? tree.place(place), branch != .groups {
                target = try await identity.directoryName(name, in: branch) ?? name
            } else {
                target = user.hasPrefix("u:") ? String(user.dropFirst(2)) : user
            }
        }
        guard let target else { throw LDAPError(.unwillingToPerform, "nobody is logged in, and no name was given") }
        if let old = request.old {
            try await identity.checkOwnPassword(old, of: target, address: session.address)
        } else if target != caller.principal.name || session.login?.method != .password {
            try await gate.require(
                caller.principal, "iam:UpdateUser", on: ResourceName.account(target), caller.context)
        }
        let new = request.new ?? Identity.readablePassword()
        try await identity.setPassword(
            new, of: target, by: caller.principal.isAnonymous ? target : caller.principal.name)
        var result = LDAPResult()
        if request.new == nil { result.value = PasswordModify.response(generated: new) }
        return result
    }
}
