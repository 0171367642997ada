import ArgumentParser
import Glibc
import NIOHTTP1
import Wire

struct Cp: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Copies files to a node, or objects from it.",
        discussion: """
            Examples:
                martlet cp scene.tif s3://eo/scene/scene.tif
                martlet cp -r ./S2A_MSIL2A.SAFE s3://eo/
                martlet cp -r s3://eo/S2A_MSIL2A.SAFE ./products/

            A folder copied to a place that ends in '/' keeps its name below it. A missing collection is made. What is
            there already is not copied again, so a command that was cut off is simply run again.
            """)

    @Argument(help: "File, folder or s3://COLLECTION/KEY.") var source: String
    @Argument(help: "File, folder or s3://COLLECTION/KEY.") var destination: String
    @Flag(name: .shortAndLong, help: "Copy a folder, or everything below a prefix.") var recursive = false
    @Flag(help: "Print a line of JSON for each file, and no progress bar.") var json = false

    /// Files that are copied at once.
    private static let parallel = 4

    func run() async throws {
        let places = (try Location(source), try Location(destination))
        try await NodeClient.with { client in
            switch places {
            case (.local(let path), .remote(let collection, let key)): try await upload(client, path, collection, key)
            case (.remote(let collection, let key), .local(let path)): try await download(client, collection, key, path)
            default:
                throw Failure(
                    .failed, "one of the two places is on the node (s3://COLLECTION/KEY), the other a file or folder")
            }
        }
    }

    // MARK: To the node

    private func upload(_ client: NodeClient, _ path: String, _ collection: String, _ key: String) async throws {
        guard let info = File.info(path) else { throw Failure(.notFound, "there is no file or folder '\(path)'") }
        guard !info.isFolder || recursive else {
            throw Failure(.failed, "'\(path)' is a folder: say -r to copy it with all that is in it")
        }
        let name = String(path.split(separator: "/").last ?? "")
        var files: [(path: String, key: String, size: Int64)]
        if info.isFolder {
            let base =
                key.isEmpty || key.hasSuffix("/") ? (name == "." || name == ".." ? key : key + name + "/") : key + "/"
            files = try File.walk(path).map { (path + "/" + $0.path, base + $0.path, $0.size) }
        } else {
            files = [(path, key.isEmpty || key.hasSuffix("/") ? key + name : key, info.size)]
        }
        try await makeCollection(client, collection)
        let prefix = info.isFolder ? String(files.first?.key.prefix { $0 != "/" } ?? "") : files.first?.key ?? ""
        var known: [String: NodeClient.RemoteObject] = [:]
        for object in try await client.listAll(collection, prefix: prefix) { known[object.key] = object }
        let progress = Progress(total: files.reduce(0) { $0 + $1.size }, isShown: !json)
        defer { progress.finish() }
        let uploader = Uploader(client: client, progress: progress)
        _ = try await Parallel.map(files, atOnce: Self.parallel) { [known] file in
            let outcome = try await uploader.upload(file.path, to: collection, key: file.key, known: known[file.key])
            report(file.path, "s3://\(collection)/\(file.key)", file.size, outcome.rawValue)
        }
        summary(files.count, files.reduce(0) { $0 + $1.size }, progress)
    }

    private func makeCollection(_ client: NodeClient, _ collection: String) async throws {
        let answer = try await client.send(.PUT, "\(client.s3)/\(collection)")
        // Somebody's already, or not ours to make: the upload itself will tell.
        guard answer.status == .ok || answer.status == .conflict || answer.status == .forbidden else {
            throw NodeClient.failure(answer)
        }
    }

    // MARK: From the node

    private func download(_ client: NodeClient, _ collection: String, _ key: String, _ path: String) async throws {
        var files: [(object: NodeClient.RemoteObject, path: String)]
        if recursive {
            let prefix = key.isEmpty || key.hasSuffix("/") ? key : key + "/"
            let name = prefix.split(separator: "/").last.map(String.init)
            let base =
                path.hasSuffix("/") || File.info(path)?.isFolder == true
                ? [path.hasSuffix("/") ? String(path.dropLast()) : path, name].compactMap { $0 }.joined(separator: "/")
                : path
            files = try await client.listAll(collection, prefix: prefix).filter { !$0.key.hasSuffix("/") }.map {
                object in
                (object, base + "/" + object.key.dropFirst(prefix.count))
            }
        } else {
            let name = String(key.split(separator: "/").last ?? "")
            let target = path.hasSuffix("/") || File.info(path)?.isFolder == true ? path + "/" + name : path
            files = try await client.listAll(collection, prefix: key).filter { $0.key == key }.map { ($0, target) }
        }
        guard !files.isEmpty else {
            throw Failure(
                .notFound, "there is nothing at s3://\(collection)/\(key)" + (recursive ? "" : " (say -r for a prefix)")
            )
        }
        for file in files where file.path.split(separator: "/").contains("..") && !path.contains("..") {
            throw Failure(.failed, "the key '\(file.object.key)' would lead out of '\(path)'")
        }
        let total = files.reduce(0) { $0 + $1.object.size }
        let progress = Progress(total: total, isShown: !json)
        defer { progress.finish() }
        let downloader = Downloader(client: client, progress: progress)
        _ = try await Parallel.map(files, atOnce: Self.parallel) { file in
            let outcome = try await downloader.download(collection, file.object, to: file.path)
            report("s3://\(collection)/\(file.object.key)", file.path, file.object.size, outcome.rawValue)
        }
        summary(files.count, total, progress)
    }

    // MARK: Both

    private func report(_ from: String, _ to: String, _ size: Int64, _ outcome: String) {
        guard json else { return }
        Console.json {
            $0.member("from", from)
            $0.member("to", to)
            $0.member("size", size)
            $0.member("outcome", outcome)
        }
    }

    private func summary(_ count: Int, _ bytes: Int64, _ progress: Progress) {
        progress.finish()
        if !json { Console.write("\(count) file\(count == 1 ? "" : "s"), \(Size.text(bytes))") }
    }
}
