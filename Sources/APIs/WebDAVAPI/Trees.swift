import HTTPSupport
import Identity
import NIOHTTP1
import Objects
import Policy
import Synchronization
import WebDAVFormat
import Wire

extension WebDAVService {
    func makeFolder(_ call: Call) async throws -> Response {
        // A body would say what kind of folder to make (RFC 4918 §9.3), of which there is one.
        guard try await call.request.body.next() == nil else {
            throw WebDAVError(.unsupportedMediaType, "a MKCOL has no body")
        }
        let address = call.address
        guard !address.isRoot else { throw WebDAVError(.methodNotAllowed, "there is a folder already") }
        if let transaction = call.caller.transaction { return try await makeFolder(call, in: transaction) }
        do {
            if address.isCollection {
                try await require(call, "s3:CreateBucket", onCollection: address.collection)
                try await objects.createCollection(address.collection, owner: call.actor)
            } else {
                try await requireWrite(call, address.path + "/")
                _ = try await objects.createFolder(
                    collection: address.collection, path: address.path, by: call.actor, holding: call.tokens)
            }
        } catch let error as ObjectsError where error.code == .alreadyExists || error.code == .collectionExists {
            throw WebDAVError(.methodNotAllowed, error.message)
        } catch let error as ObjectsError where error.code == .noSuchCollection {
            throw WebDAVError(.conflict, error.message)
        }
        return Response(.created)
    }

    /// A folder that comes with a transaction: its marker is written by it.
    private func makeFolder(_ call: Call, in transaction: TransactionID) async throws -> Response {
        let address = call.address
        guard !address.isCollection else {
            throw WebDAVError(.methodNotAllowed, "a transaction makes no collection")
        }
        try await requireWrite(call, address.path + "/")
        guard try await entry(at: address) == nil, try await !isFolder(address.path, call) else {
            throw WebDAVError(.methodNotAllowed, "there is something at '\(address.path.prefix(200))' already")
        }
        try await requireFolder(above: address, call)
        var description = ObjectDescription()
        description.contentType = "application/x-directory"
        _ = try await objects.put(
            collection: address.collection, key: address.path + "/", description: description,
            expecting: BodyExpectations(), by: call.actor, in: transaction, body: RequestBody())
        return Response(.created)
    }

    /// Files of a transaction are deleted and copied one by one: what is in a folder is not known before its commit.
    private func deleteFile(_ call: Call, in transaction: TransactionID) async throws -> Response {
        let address = call.address
        guard !address.path.isEmpty, !address.endsInSlash else {
            throw WebDAVError(.badRequest, "a transaction deletes files, not folders")
        }
        try await require(call, "s3:DeleteObject", address.path)
        let deletion = try await objects.delete(
            collection: address.collection, [(address.path, nil)], by: call.actor, in: transaction,
            conditions: [0: writeCondition(call)]
        ).first
        if let failure = deletion?.failure { throw failure }
        return Response(.noContent)
    }

    private func copyFile(_ call: Call, to target: Address, in transaction: TransactionID) async throws -> Response {
        let address = call.address
        guard !address.endsInSlash, !target.endsInSlash else {
            throw WebDAVError(.badRequest, "a transaction copies files, not folders")
        }
        try await require(call, "s3:GetObject", address.path)
        try await require(call, "s3:PutObject", target.path, in: target.collection)
        let overwrites = try Overwrite.value(header: call.request.header("overwrite"))
        let isNew = Mutex(true)
        _ = try await objects.copy(
            from: address.collection, key: address.path, to: target.collection, key: target.path, replacing: nil,
            by: call.actor, in: transaction,
            condition: { current in
                isNew.withLock { $0 = current == nil }
                guard current == nil || overwrites else {
                    throw ObjectsError(.alreadyExists, "there is something at '\(target.path.prefix(200))' already")
                }
            })
        return Response(isNew.withLock { $0 } ? .created : .noContent)
    }

    func delete(_ call: Call) async throws -> Response {
        if let transaction = call.caller.transaction { return try await deleteFile(call, in: transaction) }
        let address = call.address
        guard !address.isRoot else { throw WebDAVError(.forbidden, "the list of collections is not deleted") }
        guard try Depth(header: call.request.header("depth"), default: .infinity) == .infinity else {
            throw WebDAVError(.badRequest, "a DELETE is for all that is in a folder: its Depth is infinity")
        }
        if address.isCollection {
            // Only an empty one: a slip of the hand on a mounted drive must not take a whole collection.
            try await require(call, "s3:DeleteBucket", onCollection: address.collection)
            try await objects.deleteCollection(address.collection, by: call.actor)
            return Response(.noContent)
        }
        let tree = Tree(address)
        let condition = writeCondition(call)
        do {
            let permitted = try await deletable(call, tree)
            try await objects.delete(
                tree, permitted: permitted, by: call.actor, holding: call.tokens, condition: condition)
        } catch let error as ObjectsError where error.code == .tooManyObjects {
            try await deleteLarge(call, tree)
        }
        return Response(.noContent)
    }

    private func deletable(_ call: Call, _ tree: Tree) async throws -> Set<String> {
        let keys = try await permitted(call, ["s3:DeleteObject"], tree)
        if keys.isEmpty {
            // Who may not delete here does not learn what there is.
            try await require(call, "s3:DeleteObject", tree.path)
            throw WebDAVError(.notFound, "there is nothing at '\(tree.path.prefix(200))'")
        }
        return keys
    }

    /// Removes a folder of more objects than one transaction changes: page after page, the folder itself at last.
    private func deleteLarge(_ call: Call, _ tree: Tree) async throws {
        while true {
            let page = try await objects.list(collection: tree.collection, prefix: tree.path + "/")
            for entry in page.entries { try await require(call, "s3:DeleteObject", entry.key) }
            let deletions = try await objects.delete(
                collection: tree.collection, page.entries.map { ($0.key, nil) }, by: call.actor, holding: call.tokens)
            if let failure = deletions.compactMap(\.failure).first { throw failure }
            guard page.next != nil else { return }
        }
    }

    /// COPY and MOVE.
    func transfer(_ call: Call, isMove: Bool) async throws -> Response {
        let address = call.address
        guard let header = call.request.header("destination") else {
            throw WebDAVError(.badRequest, "a \(call.request.method) has a Destination")
        }
        guard let path = LocalURI.path(header, host: call.request.header("host")) else {
            throw WebDAVError(.badGateway, "the Destination is on another server")
        }
        let target = try Address(path, below: mount)
        guard !address.path.isEmpty, !target.path.isEmpty else {
            throw WebDAVError(.forbidden, "collections are neither copied nor moved, only what is in them")
        }
        guard target.asOf == nil else { throw WebDAVError(.forbidden, "the past can only be read") }
        if let transaction = call.caller.transaction {
            return try await copyFile(call, to: target, in: transaction)
        }
        let depth = try Depth(header: call.request.header("depth"), default: .infinity)
        guard depth == .infinity || (depth == .zero && !isMove) else {
            throw WebDAVError(
                .badRequest, isMove ? "the Depth of a MOVE is infinity" : "a COPY has Depth 0 or infinity")
        }
        let overwrites = try Overwrite.value(header: call.request.header("overwrite"))
        let from = Tree(address)
        let to = Tree(target)
        let sources = try await permitted(call, isMove ? ["s3:GetObject", "s3:DeleteObject"] : ["s3:GetObject"], from)
        guard !sources.isEmpty else {
            try await require(call, "s3:GetObject", from.path)
            throw WebDAVError(.notFound, "there is nothing at '\(from.path.prefix(200))'")
        }
        for key in sources {
            try await require(call, "s3:PutObject", to.path + key.dropFirst(from.path.count), in: to.collection)
        }
        let isFile = sources.contains(from.path)
        let replaced = try await objects.keys(of: to)
        for key in replaced where !(isFile && key == to.path) {
            try await require(call, "s3:DeleteObject", key, in: to.collection)
        }
        do {
            let isNew = try await objects.transfer(
                from, to: to, isMove: isMove, isShallow: depth == .zero, overwrites: overwrites,
                permitted: (sources, Set(replaced)), by: call.actor, holding: call.tokens)
            return Response(isNew ? .created : .noContent)
        } catch let error as ObjectsError where error.code == .noSuchCollection {
            throw WebDAVError(.conflict, error.message)
        }
    }
}

extension Tree {
    init(_ address: Address) {
        self.init(collection: address.collection, path: address.path, prefersFolder: address.endsInSlash)
    }
}
