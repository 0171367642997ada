import HTTPSupport
import IAMPolicy
import Identity
import NIOCore
import NIOHTTP1
import Objects
import Policy
import WebDAVFormat
import Wire

extension WebDAVService {
    /// LOCK (RFC 4918 §9.10): takes a lock or, without a body, lets one begin anew.
    func lock(_ call: Call) async throws -> Response {
        let address = call.address
        guard !address.isRoot else { throw WebDAVError(.forbidden, "the list of collections is not locked") }
        try await require(call, "s3:PutObject", address.path)
        let seconds = LockTimeout.seconds(header: call.request.header("timeout"))
        let body = try await call.request.body.collect(upTo: Self.bodyBytesMax)
        if body.isEmpty {
            let lock = try await objects.refreshLock(
                collection: address.collection, path: address.path, tokens: call.tokens, seconds: seconds,
                by: call.actor)
            return answer(.ok, lock, address)
        }
        let info = try LockInfo(parsing: body)
        let depth = try Depth(header: call.request.header("depth"), default: .infinity)
        guard depth != .one else { throw WebDAVError(.badRequest, "the Depth of a LOCK is 0 or infinity") }
        let isMissing = try await entry(at: address) == nil
        if isMissing { try await requireFolder(above: address, call) }
        let lock: WriteLock
        do {
            lock = try await objects.lock(
                collection: address.collection, path: address.path, isDeep: depth == .infinity,
                isShared: info.isShared, owner: info.owner, seconds: seconds, by: call.actor)
        } catch let error as ObjectsError where error.code == .writeLocked {
            var conflict = WebDAVError(.locked, error.message, .noConflictingLock)
            conflict.lockRoot = error.lockRoot
            throw conflict
        }
        guard isMissing else { return answer(.ok, lock, address) }
        do {
            try await putEmpty(call, holding: lock)
        } catch {
            try await objects.unlock(
                collection: address.collection, path: address.path, token: lock.token, by: call.actor)
            throw error
        }
        return answer(.created, lock, address)
    }

    /// What is locked before it is there is an empty file (RFC 4918 §7.3).
    private func putEmpty(_ call: Call, holding lock: WriteLock) async throws {
        let address = call.address
        var description = ObjectDescription()
        description.contentType = "application/octet-stream"
        description.encryption = try await gate.encryptionPlan(in: address.collection, of: objects, call.caller)
        _ = try await objects.put(
            collection: address.collection, key: address.path, description: description,
            expecting: BodyExpectations(), by: call.actor, holding: call.tokens.union([lock.token]),
            condition: { current in
                guard current == nil else {
                    throw ObjectsError(.changedMeanwhile, "the file came while it was locked: try again")
                }
            }, body: RequestBody())
    }

    private func answer(_ status: HTTPResponseStatus, _ lock: WriteLock, _ address: Address) -> Response {
        var xml = XMLWriter()
        xml.open("D:prop", [("xmlns:D", "DAV:")])
        xml.element("D:lockdiscovery") { xml in
            let root = Address(collection: address.collection, path: lock.path, isFolder: false)
            lock.write(to: &xml, root: root.href(below: mount))
        }
        xml.close("D:prop")
        return Response(
            status, type: "application/xml; charset=utf-8", bytes: xml.bytes,
            headers: ["Lock-Token": "<\(lock.token)>"])
    }

    /// UNLOCK (RFC 4918 §9.11).
    func unlock(_ call: Call) async throws -> Response {
        let address = call.address
        guard let header = call.request.header("lock-token") else {
            throw WebDAVError(.badRequest, "an UNLOCK has a Lock-Token")
        }
        let token = try LockTokenHeader.token(header)
        try await require(call, "s3:PutObject", address.path)
        // Who may do everything may also end what somebody has left behind.
        let breaks = try await gate.decide(
            call.caller.principal, "s3:BreakWriteLock",
            on: ResourceName.object(address.collection, address.path), call.caller.context)
        do {
            try await objects.unlock(
                collection: address.collection, path: address.path, token: token, by: call.actor,
                breaks: breaks.isAllowed)
        } catch let error as ObjectsError where error.code == .preconditionFailed {
            throw WebDAVError(.conflict, error.message, .lockTokenMatchesRequestURI)
        } catch let error as ObjectsError where error.code == .writeLocked {
            throw WebDAVError(.forbidden, error.message)
        }
        return Response(.noContent)
    }
}

extension WriteLock {
    /// An `activelock` (RFC 4918 §14.1).
    func write(to xml: inout XMLWriter, root: String) {
        xml.element("D:activelock") { xml in
            xml.verbatim("<D:locktype><D:write/></D:locktype><D:lockscope>")
            xml.verbatim(isShared ? "<D:shared/>" : "<D:exclusive/>")
            xml.verbatim("</D:lockscope>")
            xml.element("D:depth", isDeep ? "infinity" : "0")
            xml.verbatim(known: owner)
            xml.element("D:timeout", "Second-\(max(0, expires.seconds - Timestamp.now.seconds))")
            xml.element("D:locktoken") { $0.element("D:href", token) }
            xml.element("D:lockroot") { $0.element("D:href", root) }
        }
    }
}
