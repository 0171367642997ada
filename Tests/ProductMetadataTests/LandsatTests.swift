import ProductMetadata
import TestSupport
import Testing
import Wire

@Suite struct LandsatSampleTests {
    private func facts(_ text: String) throws -> ItemFacts {
        try ProductMetadata.landsat(try LandsatMTL(parsing: Array(text.utf8)))
    }

    @Test("a Landsat 7 scene")
    func landsat7() throws {
        let facts = try facts(Sample.mtl)
        #expect(facts.title == "LE07_L1TP_001002_20010203_20200917_02_T1")
        #expect(facts.datetime?.rfc3339 == "2001-02-03T04:05:06.123456Z")
        #expect(facts.properties["platform"] == "landsat-7")
        #expect(facts.properties["instruments"] == ["etm+"])
        #expect(facts.properties["proj:code"] == "EPSG:32607")
        #expect(facts.properties["grid:code"] == "WRS2-001002")
        #expect(facts.properties["landsat:wrs_path"] == "001")
        #expect(facts.properties["eo:cloud_cover"] == nil)
        #expect(facts.properties["view:sun_azimuth"] == 349.5)
        #expect(facts.bbox == [10, 1, 12, 2])
        let red = try #require(facts.files["LE07_L1TP_001002_20010203_20200917_02_T1_B3.TIF"])
        #expect(red.bands == [["name": "B3", "eo:common_name": "red", "eo:center_wavelength": 0.66, "gsd": 30]])
        let thermal = facts.files["LE07_L1TP_001002_20010203_20200917_02_T1_B6_VCID_1.TIF"]
        #expect(thermal?.bands?.array?.first?["eo:common_name"] == "lwir")
    }

    @Test(
        "a line that is missing is named",
        arguments: [
            "LANDSAT_PRODUCT_ID", "DATE_ACQUIRED", "SCENE_CENTER_TIME", "CORNER_LL_LAT_PRODUCT",
            "CORNER_UR_LON_PRODUCT",
        ])
    func missing(_ key: String) {
        let text = Sample.mtl.split(separator: "\n").filter { !$0.contains("\(key) =") }.joined(separator: "\n")
        let error = #expect(throws: ProductMetadataError.self) { try facts(text) }
        #expect(error?.code == .missing)
        #expect(error?.message.contains(key) == true)
    }

    @Test(
        "broken ODL is refused with its line",
        arguments: [
            ("GROUP = A\n", "line 2"), ("GROUP = A\nEND_GROUP = B\nEND", "line 2"), ("A = \"x\nEND", "line 1"),
            ("A\nEND", "line 1"),
            ("A = (1, 2\nEND", "line 2"), ("A = (1 2)\nEND", "line 1"), ("= 3\nEND", "line 1"),
            ("GROUP = A\nEND", "line 2"), ("", "line 1"),
        ])
    func broken(_ text: String, _ line: String) {
        let error = #expect(throws: ProductMetadataError.self) { try facts(text) }
        #expect(error?.code == .malformed)
        #expect(error?.message.contains(line) == true, "\(error?.message ?? "")")
    }

    @Test("groups nested without end are refused")
    func deep() {
        let text = String(repeating: "GROUP = A\n", count: 100_000) + "END"
        #expect(throws: ProductMetadataError.self) { try facts(text) }
    }

    @Test("Collection 1 is told as unsupported")
    func collection1() {
        let error = #expect(throws: ProductMetadataError.self) {
            try facts("GROUP = L1_METADATA_FILE\nEND_GROUP = L1_METADATA_FILE\nEND")
        }
        #expect(error?.code == .unsupported)
    }

    @Test(
        "a file name that leaves the scene's folder is refused",
        arguments: ["../x.TIF", "/etc/passwd", "..", "a/b.TIF"])
    func escapes(_ name: String) {
        let text = Sample.mtl.replacing("LE07_L1TP_001002_20010203_20200917_02_T1_B3.TIF", with: name)
        let error = #expect(throws: ProductMetadataError.self) { try facts(text) }
        #expect(error?.code == .malformed)
    }
}

@Suite(.enabled(if: Real.isThere)) struct LandsatRealTests {
    @Test("both forms of the metadata give the same facts")
    func sameFacts() throws {
        let text = try LandsatMTL(parsing: Real.bytes("\(Real.landsat)_MTL.txt"))
        let json = try LandsatMTL(parsing: Real.bytes("\(Real.landsat)_MTL.json"))
        #expect(text.files == json.files)
        #expect(try ProductMetadata.landsat(text) == ProductMetadata.landsat(json))
    }

    @Test("the facts agree with the scene's own STAC item")
    func item() throws {
        let mtl = try LandsatMTL(parsing: Real.bytes("\(Real.landsat)_MTL.txt"))
        let facts = try ProductMetadata.landsat(mtl)
        let item = try JSONValue(parsing: Real.bytes("\(Real.landsat)_SR_stac.json"))
        let theirs = try #require(item["properties"])
        #expect(facts.title == item["id"]?.string)
        #expect(facts.datetime?.rfc3339.hasPrefix(theirs["datetime"]?.string ?? "-") == true)
        #expect(facts.properties["eo:cloud_cover"] == theirs["eo:cloud_cover"])
        #expect(facts.properties["view:sun_azimuth"] == theirs["eo:sun_azimuth"])
        #expect(facts.properties["view:sun_elevation"] == theirs["eo:sun_elevation"])
        #expect(facts.properties["view:off_nadir"]?.number == theirs["eo:off_nadir"]?.number)
        for name in ["scene_id", "collection_category", "collection_number", "wrs_type", "cloud_cover_land"] {
            #expect(facts.properties["landsat:\(name)"] == theirs["landsat:\(name)"], "\(name)")
        }
        for name in ["wrs_path", "wrs_row"] {
            let ours = facts.properties["landsat:\(name)"]?.string.flatMap { Int($0) }
            #expect(ours == theirs["landsat:\(name)"]?.string.flatMap { Int($0) })
        }
        // The item's outline is the scene, ours the image, which the scene lies in.
        let (ours, scene) = (try #require(facts.bbox), item["bbox"]?.array?.compactMap(\.number) ?? [])
        #expect(ours[0] <= scene[0] && ours[1] <= scene[1] && ours[2] >= scene[2] && ours[3] >= scene[3])
        #expect(zip(ours, scene).allSatisfy { abs($0 - $1) < 0.05 })
        for band in theirs["eo:bands"]?.array ?? [] {
            let name = try #require(band["name"]?.string)
            let file = try #require(facts.files["\(mtl.productID)_\(name).TIF"])
            let mine = try #require(file.bands?.array?.first)
            #expect(mine["name"]?.string == name)
            #expect(mine["eo:common_name"] == band["common_name"])
            #expect(mine["eo:center_wavelength"]?.number == band["center_wavelength"]?.number)
            #expect(mine["gsd"] == band["gsd"])
        }
        #expect(facts.properties["proj:code"] == "EPSG:32618")
        #expect(mtl.files.count == 22)
    }

    @Test("mutations of the real files never crash", arguments: ["txt", "json"])
    func mutations(_ form: String) {
        var random = SeededGenerator(seed: 11)
        let original = Real.bytes("\(Real.landsat)_MTL.\(form)")
        var (read, refused) = (0, 0)
        for _ in 0..<300 {
            do {
                _ = try ProductMetadata.landsat(try LandsatMTL(parsing: original.mutated(&random)))
                read += 1
            } catch { refused += 1 }
        }
        #expect(read > 0)
        #expect(refused > 0)
    }
}
