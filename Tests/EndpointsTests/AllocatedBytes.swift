// What malloc(3) has handed out, by malloc_info(3), which Swift's module of the C library leaves out.

import Foundation

/// How many bytes of the heap are in use; 0 where malloc is another's, as with a sanitizer.
func allocatedBytes() -> Int {
    typealias MallocInfo = @convention(c) (Int32, UnsafeMutablePointer<FILE>?) -> Int32
    guard let symbol = dlsym(nil, "malloc_info") else { return 0 }
    let mallocInfo = unsafeBitCast(symbol, to: MallocInfo.self)
    var text: UnsafeMutablePointer<CChar>?
    var count = 0
    guard let stream = open_memstream(&text, &count) else { return 0 }
    let result = mallocInfo(0, stream)
    fclose(stream)
    defer { free(text) }
    guard result == 0, let text else { return 0 }
    // The heaps come first; the sums of all stand behind the last of them.
    let sums = String(cString: text).components(separatedBy: "</heap>").last ?? ""
    func size(_ element: String) -> Int {
        let match = try? Regex("<\(element)[^>]* size=\"([0-9]+)\"").firstMatch(in: sums)
        return match?.output[1].substring.flatMap { Int($0) } ?? 0
    }
    return size("system type=\"current\"") - size("total type=\"fast\"")
        - size("total type=\"rest\"")
}
